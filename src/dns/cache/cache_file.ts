import { createHash } from "node:crypto";
import type { Answer } from "../wire/answer.ts";
import type { Entry } from "./answer_cache.ts";

/**
 * The file in which the cache outlives a reboot: a header, the entries, and the SHA-256 of all before it.
 * Written as a whole, read once.
 *
 * ```
 * "EDNS" version:u32 saved:f64 count:u32
 * entry: keyLength:u16 key kind:u8 rcode:u8 hits:u16 age:f64 ttl:u32
 *        answers:u16 authorities:u16 additionals:u16 answersEnd:u32 authoritiesEnd:u32 turn:u16
 *        length:u32 records
 * ```
 */
const MAGIC = 0x45444e53;
const VERSION = 1;
const HEADER_BYTES = 20;
/** Of an entry without its key and records. */
const ENTRY_BYTES = 38;
const HASH_BYTES = 32;

/**
 * The most that the time between two lives of the agent adds to an age, ms. A clock without a battery may be ahead
 * by years, too, until it is set: that must not throw away the last that is known.
 */
const MAX_OFF_MS = 86_400_000;

/** The file's bytes. @param nowMs wall clock; @param monotonicMs the clock of the entries */
export function formatCacheFile(
  entries: Iterable<readonly [key: string, entry: Entry]>,
  { nowMs, monotonicMs }: { nowMs: number; monotonicMs: number },
): Uint8Array<ArrayBuffer> {
  const all = [...entries];
  const size = all.reduce(
    (sum, [key, { answer }]) => sum + ENTRY_BYTES + key.length + answer.records.length,
    HEADER_BYTES + HASH_BYTES,
  );
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, VERSION);
  view.setFloat64(8, nowMs);
  view.setUint32(16, all.length);
  let at = HEADER_BYTES;
  for (const [key, entry] of all) {
    const { answer } = entry;
    view.setUint16(at, key.length);
    // Keys are ASCII.
    for (let i = 0; i < key.length; i++) bytes[at + 2 + i] = key.charCodeAt(i);
    at += 2 + key.length;
    view.setUint8(at, entry.kind === "positive" ? 1 : 2);
    view.setUint8(at + 1, answer.rcode);
    view.setUint16(at + 2, Math.min(entry.hits, 0xffff));
    view.setFloat64(at + 4, monotonicMs - entry.storedAtMs);
    view.setUint32(at + 12, entry.ttlMs);
    view.setUint16(at + 16, answer.answers);
    view.setUint16(at + 18, answer.authorities);
    view.setUint16(at + 20, answer.additionals);
    view.setUint32(at + 22, answer.answersEnd);
    view.setUint32(at + 26, answer.authoritiesEnd);
    view.setUint16(at + 30, answer.turnBytes);
    view.setUint32(at + 32, answer.records.length);
    bytes.set(answer.records, at + 36);
    at += ENTRY_BYTES - 2 + answer.records.length;
  }
  bytes.set(createHash("sha256").update(bytes.subarray(0, at)).digest(), at);
  return bytes;
}

/**
 * The entries of a file. All are beyond their time: how long the machine was off, its clock may not know.
 *
 * @throws {SyntaxError} for a file that is not whole or of another version
 */
export function parseCacheFile(
  bytes: Uint8Array,
  { nowMs, monotonicMs }: { nowMs: number; monotonicMs: number },
): [key: string, entry: Entry][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - HASH_BYTES;
  if (end < HEADER_BYTES || view.getUint32(0) !== MAGIC) throw broken("it is none");
  const version = view.getUint32(4);
  if (version !== VERSION) throw broken(`its version is ${version}, not ${VERSION}`);
  const hash = createHash("sha256").update(bytes.subarray(0, end)).digest();
  if (!hash.every((byte, i) => byte === bytes[end + i])) throw broken("its checksum is wrong");
  // A clock that was set back says nothing.
  const offMs = Math.min(MAX_OFF_MS, Math.max(0, nowMs - view.getFloat64(8)) || 0);
  const entries: [string, Entry][] = [];
  let at = HEADER_BYTES;
  const need = (length: number) => {
    if (at + length > end) throw broken("an entry is cut off");
    at += length;
    return at - length;
  };
  for (let left = view.getUint32(16); left > 0; left--) {
    const keyAt = need(view.getUint16(need(2)));
    const key = String.fromCharCode(...bytes.subarray(keyAt, at));
    const from = need(ENTRY_BYTES - 2);
    const recordsAt = need(view.getUint32(from + 32));
    const answer: Answer = {
      rcode: view.getUint8(from + 1),
      authoritative: false,
      answers: view.getUint16(from + 16),
      authorities: view.getUint16(from + 18),
      additionals: view.getUint16(from + 20),
      answersEnd: view.getUint32(from + 22),
      authoritiesEnd: view.getUint32(from + 26),
      turnBytes: view.getUint16(from + 30),
      records: bytes.slice(recordsAt, at),
    };
    const ttlMs = view.getUint32(from + 12);
    const ageMs = Math.max(ttlMs, view.getFloat64(from + 4) + offMs);
    entries.push([key, {
      answer,
      kind: view.getUint8(from) === 1 ? "positive" : "negative",
      storedAtMs: monotonicMs - ageMs,
      ttlMs,
      hits: view.getUint16(from + 2),
      lastHitMs: monotonicMs,
    }]);
  }
  return entries;
}

function broken(what: string): SyntaxError {
  return new SyntaxError(`Cannot read the kept answers: ${what}`);
}
