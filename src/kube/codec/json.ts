/**
 * Kubernetes JSON without decoding what need not be decoded: objects stay the bytes that the
 * kube-apiserver sent, and lists and watch frames are cut from and spliced into those bytes.
 */
import {
  CLOSE_BRACE,
  COLON,
  COMMA,
  OPEN_BRACE,
  QUOTE,
  type Range,
  skipSpace,
  skipString,
  skipValue,
} from "./json_tokens.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/**
 * Where the values of an object's own keys lie.
 *
 * @throws {SyntaxError} when `bytes` are not one whole JSON object.
 */
export function scanObject(bytes: Uint8Array): Map<string, Range> {
  const end = bytes.length;
  const broken = (what: string, at: number) =>
    new SyntaxError(`Cannot read a JSON object of ${end} bytes: ${what} at byte ${at}`);
  const fields = new Map<string, Range>();
  let at = skipSpace(bytes, 0, end);
  if (bytes[at] !== OPEN_BRACE) throw broken('no "{"', at);
  at = skipSpace(bytes, at + 1, end);
  while (bytes[at] !== CLOSE_BRACE) {
    if (bytes[at] !== QUOTE) throw broken("no key", at);
    const keyEnd = skipString(bytes, at, end);
    if (keyEnd < 0) throw broken("an unfinished key", at);
    const key = parseJson(bytes.subarray(at, keyEnd)) as string;
    at = skipSpace(bytes, keyEnd, end);
    if (bytes[at] !== COLON) throw broken('no ":"', at);
    const start = skipSpace(bytes, at + 1, end);
    at = skipValue(bytes, start, end);
    if (at <= start) throw broken("an unfinished value", start);
    fields.set(key, [start, at]);
    at = skipSpace(bytes, at, end);
    if (bytes[at] === COMMA) {
      at = skipSpace(bytes, at + 1, end);
      if (bytes[at] === CLOSE_BRACE) throw broken("no key", at);
    } else if (bytes[at] !== CLOSE_BRACE) throw broken('no "}"', at);
  }
  if (skipSpace(bytes, at + 1, end) !== end) throw broken("something behind the object", at + 1);
  return fields;
}

/** `JSON.parse` of UTF-8 bytes. @throws {SyntaxError} */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    // An invalid byte sequence is a TypeError of the decoder: to callers it is the same fault.
    throw error instanceof SyntaxError ? error : new SyntaxError("not UTF-8", { cause: error });
  }
}

/** UTF-8 bytes of a value as compact JSON. */
export function formatJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** The bytes with others in the place of a range. */
export function spliceBytes(bytes: Uint8Array, [start, end]: Range, value: Uint8Array): Uint8Array {
  return concatBytes([bytes.subarray(0, start), value, bytes.subarray(end)]);
}

/** One buffer of several. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
