/**
 * Domain names. In the program a name is a text without the final dot: labels joined by dots, the root
 * is "". A byte of a label that is not printable ASCII, and a dot or backslash inside of one, is `\DDD`
 * (RFC 1035 5.1), so that splitting at dots is always right. Case is kept; {@linkcode nameKey} gives
 * what names are compared by.
 */

/** Bytes of a whole name in a message, lengths and root included (RFC 1035 2.3.4). */
export const MAX_NAME_BYTES = 255;
/** Bytes of one label. */
export const MAX_LABEL_BYTES = 63;

/** Pointers in one name: more than one before each label has no sense. */
const MAX_POINTERS = 127;

const DOT = 0x2e;
const BACKSLASH = 0x5c;

const TEXT_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const plain = byte > 0x20 && byte < 0x7f && byte !== DOT && byte !== BACKSLASH;
  return plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`;
});
const KEY_OF_BYTE: readonly string[] = TEXT_OF_BYTE.map((text) => text.toLowerCase());

/** What names are compared by: ASCII letters in lower case (RFC 4343). */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

/** Whether `name` is `zone` or below it. Both are keys. */
export function isWithin(name: string, zone: string): boolean {
  return name === zone || zone === "" ||
    (name.endsWith(zone) && name.charCodeAt(name.length - zone.length - 1) === DOT);
}

/** A name in a message, and where what follows it begins. */
export interface ReadName {
  name: string;
  end: number;
}

/**
 * Reads the name at `start`. Pointers must lead backwards, so that there is an end to them.
 *
 * @param form `key` puts letters in lower case
 * @throws {SyntaxError}
 */
export function readName(bytes: Uint8Array, start: number, form: "text" | "key"): ReadName {
  const texts = form === "key" ? KEY_OF_BYTE : TEXT_OF_BYTE;
  let [at, end, size, name] = [start, -1, 1, ""];
  // Where the labels being read began: a pointer has to lead to before.
  let before = start;
  let pointers = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) throw broken("it is cut off", start);
    if (length === 0) break;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) throw broken("it is cut off", start);
      if (end < 0) end = at + 2;
      if (++pointers > MAX_POINTERS) {
        throw broken(`it has more than ${MAX_POINTERS} pointers`, start);
      }
      at = (length & 0x3f) << 8 | low;
      if (at >= before || at < 12) throw broken(`a pointer leads to byte ${at}`, start);
      before = at;
      continue;
    }
    if (length > MAX_LABEL_BYTES) {
      throw broken(`a label has the reserved type ${length >> 6}`, start);
    }
    size += length + 1;
    if (size > MAX_NAME_BYTES) throw broken(`it is longer than ${MAX_NAME_BYTES} bytes`, start);
    const next = at + 1 + length;
    if (next > bytes.length) throw broken("it is cut off", start);
    if (name !== "") name += ".";
    for (let i = at + 1; i < next; i++) name += texts[bytes[i]!]!;
    at = next;
  }
  return { name, end: end < 0 ? at + 1 : end };
}

/** Where what follows the name at `start` begins; its pointer, if it ends in one, is not followed. */
export function skipName(bytes: Uint8Array, start: number): number {
  for (let at = start;;) {
    const length = bytes[at];
    if (length === undefined || at - start > MAX_NAME_BYTES) throw broken("it is cut off", start);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > MAX_LABEL_BYTES) {
      throw broken(`a label has the reserved type ${length >> 6}`, start);
    }
    at += length + 1;
  }
}

/** The bytes of one label of a name. @throws {SyntaxError} for an empty or too long one */
export function labelBytes(label: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < label.length; i++) {
    const code = label.charCodeAt(i);
    if (code === BACKSLASH) {
      bytes.push(Number(label.slice(i + 1, i + 4)));
      i += 3;
    } else bytes.push(code);
  }
  if (bytes.length === 0 || bytes.length > MAX_LABEL_BYTES) {
    throw new SyntaxError(
      `Cannot use the label "${label}": it has ${bytes.length} bytes, 1 to ${MAX_LABEL_BYTES} are possible`,
    );
  }
  return bytes;
}

/** Bytes of a name in a message when nothing of it is compressed. */
export function nameSize(name: string): number {
  if (name === "") return 1;
  // Each escape is four characters for one byte.
  return name.length + 2 - 3 * (name.includes("\\") ? name.split("\\").length - 1 : 0);
}

/**
 * Reads a name that a person or another program wrote, with or without the final dot; `\.` and `\DDD`
 * are bytes of a label.
 *
 * @throws {SyntaxError} saying what is wrong with it.
 */
export function parseName(text: string): string {
  const wrong = (what: string) => new SyntaxError(`Cannot read the name "${text}": ${what}`);
  if (text === "" || text === ".") return "";
  const labels: string[] = [];
  let label = "";
  const pattern = /\\(?:(\d{3})|([^\d]))|([^\\])/gsy;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    end = match.index + match[0].length;
    const [, decimal, quoted, plain] = match;
    if (plain === ".") {
      labels.push(label);
      label = "";
      continue;
    }
    const byte = decimal === undefined ? (quoted ?? plain)!.charCodeAt(0) : Number(decimal);
    if (byte > 0xff) throw wrong("it is not made of bytes");
    label += TEXT_OF_BYTE[byte]!;
  }
  if (end !== text.length) throw wrong("a backslash begins nothing");
  if (label !== "") labels.push(label);
  for (const each of labels) labelBytes(each);
  const name = labels.join(".");
  if (nameSize(name) > MAX_NAME_BYTES) throw wrong(`it is longer than ${MAX_NAME_BYTES} bytes`);
  return name;
}

function broken(what: string, at: number): SyntaxError {
  return new SyntaxError(`Cannot read the name at byte ${at}: ${what}`);
}
