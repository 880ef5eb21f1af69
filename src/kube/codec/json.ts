/**
 * Kubernetes JSON without decoding what need not be decoded: objects stay the bytes that the
 * kube-apiserver sent, and lists and watch frames are cut from and spliced into those bytes.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** Start (inclusive) and end (exclusive) of a value inside a body. */
export type Range = readonly [start: number, end: number];

/** Whether a byte is JSON white space. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && isSpace(bytes[at])) at++;
  return at;
}

/** The offset behind the string that opens at `at`, or -1 if it does not end before `end`. */
function skipString(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i];
    if (byte === BACKSLASH) i++;
    else if (byte === QUOTE) return i + 1;
  }
  return -1;
}

/** The offset behind the value that begins at `at`, or -1 if it does not end before `end`. */
function skipValue(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at, end);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    let depth = 0;
    for (let i = at; i < end; i++) {
      const byte = bytes[i];
      if (byte === QUOTE) {
        i = skipString(bytes, i, end) - 1;
        if (i < 0) return -1;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return i + 1;
    }
    return -1;
  }
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte)) return i;
  }
  return -1;
}

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

/** What a list says beside its items. */
export interface ListHead {
  kind: string;
  apiVersion: string;
  resourceVersion: string;
  /** Token of the next page; empty on the last one. */
  continue: string;
  /** Whether an empty `continue` is spelled out, as lists of custom resources do. */
  spellsContinue?: boolean;
  /** Other fields of the list, such as a Table's `columnDefinitions`. */
  extra: Record<string, unknown>;
}

type SplitterState =
  | "before"
  | "key"
  | "colon"
  | "value"
  | "item"
  | "after-item"
  | "after"
  | "done";

/**
 * Cuts the body of a list into its items while it streams in. The list is whole only when
 * {@linkcode end} returned: an HTTP body that ends cleanly proves nothing (RST_STREAM NO_ERROR, EOF).
 */
export class ListSplitter {
  readonly #fields: Record<string, unknown> = {};
  #state: SplitterState = "before";
  #rest: Uint8Array = new Uint8Array(0);
  #key = "";

  /**
   * Takes the next bytes of the body and returns the items that they complete.
   *
   * @throws {SyntaxError} when the body is not a list.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#rest.length === 0 ? chunk : concatBytes([this.#rest, chunk]);
    const items: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      at = skipSpace(bytes, at, bytes.length);
      if (at === bytes.length) break;
      const next = this.#step(bytes, at, items);
      if (next < 0) break;
      at = next;
    }
    this.#rest = bytes.subarray(at);
    return items;
  }

  /** The list's own fields. @throws {SyntaxError} when the body is not whole. */
  end(): ListHead {
    if (this.#state !== "done" || this.#rest.length > 0) {
      throw new SyntaxError(
        `Cannot read a list: its body ends too early (in state ${this.#state})`,
      );
    }
    const { kind, apiVersion, metadata, ...extra } = this.#fields;
    const meta = (metadata ?? {}) as { resourceVersion?: unknown; continue?: unknown };
    if (typeof kind !== "string" || typeof apiVersion !== "string") {
      throw new SyntaxError("Cannot read a list: it has no kind and apiVersion");
    }
    return {
      kind,
      apiVersion,
      resourceVersion: String(meta.resourceVersion ?? ""),
      continue: String(meta.continue ?? ""),
      ...("continue" in meta && { spellsContinue: true }),
      extra,
    };
  }

  /** Does one token at `at`; the offset behind it, or -1 when more bytes are needed. */
  #step(bytes: Uint8Array, at: number, items: Uint8Array[]): number {
    const byte = bytes[at];
    switch (this.#state) {
      case "before":
        return this.#expect(byte === OPEN_BRACE, "key", at, '"{"');
      case "key": {
        if (byte === CLOSE_BRACE) return this.#expect(true, "done", at, "");
        if (byte !== QUOTE) return this.#expect(false, "colon", at, "a key");
        const end = skipString(bytes, at, bytes.length);
        if (end < 0) return -1;
        this.#key = parseJson(bytes.subarray(at, end)) as string;
        this.#state = "colon";
        return end;
      }
      case "colon":
        return this.#expect(byte === COLON, "value", at, '":"');
      case "value": {
        if (byte === OPEN_BRACKET && (this.#key === "items" || this.#key === "rows")) {
          return this.#expect(true, "item", at, "");
        }
        const end = skipValue(bytes, at, bytes.length);
        if (end < 0) return -1;
        const value = parseJson(bytes.subarray(at, end));
        // A nil slice of Go: a list without items.
        if (this.#key !== "items" && this.#key !== "rows") this.#fields[this.#key] = value;
        this.#state = "after";
        return end;
      }
      case "item": {
        if (byte === CLOSE_BRACKET) return this.#expect(true, "after", at, "");
        if (byte !== OPEN_BRACE) return this.#expect(false, "item", at, "an item");
        const end = skipValue(bytes, at, bytes.length);
        if (end < 0) return -1;
        items.push(bytes.subarray(at, end));
        this.#state = "after-item";
        return end;
      }
      case "after-item":
        if (byte === COMMA) return this.#expect(true, "item", at, "");
        return this.#expect(byte === CLOSE_BRACKET, "after", at, '"," or "]"');
      case "after":
        if (byte === COMMA) return this.#expect(true, "key", at, "");
        return this.#expect(byte === CLOSE_BRACE, "done", at, '"," or "}"');
      case "done":
        return this.#expect(false, "done", at, "the end");
      default:
        return this.#state satisfies never;
    }
  }

  #expect(ok: boolean, next: SplitterState, at: number, what: string): number {
    if (!ok) throw new SyntaxError(`Cannot read a list: ${what} expected at byte ${at} of a piece`);
    this.#state = next;
    return at + 1;
  }
}

/** The bytes of a list before its items. */
export function formatListOpening(head: ListHead, remainingItemCount?: number): Uint8Array {
  const { kind, apiVersion, resourceVersion, extra } = head;
  const metadata = {
    resourceVersion,
    ...((head.continue !== "" || head.spellsContinue) && { continue: head.continue }),
    ...(head.continue !== "" && remainingItemCount !== undefined && { remainingItemCount }),
  };
  const fields = JSON.stringify({ kind, apiVersion, metadata, ...extra });
  const array = kind === "Table" ? "rows" : "items";
  return encoder.encode(`${fields.slice(0, -1)},"${array}":[`);
}

/** The bytes of a list behind its items. */
export const LIST_CLOSING: Uint8Array = encoder.encode("]}\n");
