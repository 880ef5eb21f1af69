import { labelBytes, MAX_LABEL_BYTES, nameKey } from "./name.ts";

/** Pointers have 14 bits (RFC 1035 4.1.4). */
const POINTER_REACH = 0x4000;

/**
 * The buffer of the last writer that was done: thousands of answers a second would otherwise leave as many
 * buffers to the garbage collector, outside of its heap, where it is slow to look.
 */
let spare: Uint8Array<ArrayBuffer> | undefined;
const MIN_BUFFER_BYTES = 4096;
const MAX_SPARE_BYTES = 0x10000;

/** Writes numbers and names of a message, big-endian, names compressed. Grows as needed. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  /** Offset in the message of the first byte that is written here. */
  readonly #base: number;
  #length = 0;
  /** Keys of the names, and ends of names, that later ones can point to, with their offsets in the message. */
  readonly #names = new Map<string, number>();

  constructor(base = 0) {
    this.#base = base;
    this.#bytes = spare ?? new Uint8Array(MIN_BUFFER_BYTES);
    spare = undefined;
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** What was written, in memory of its own. The writer is done then. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    if (this.#bytes.length <= MAX_SPARE_BYTES) spare = this.#bytes;
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    return taken;
  }

  uint8(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  uint16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  raw(bytes: ArrayLike<number>): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Overwrites two bytes at `at`, which were written before. */
  patchUint16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  /** Lets later names point to `name`, which lies at `offset` of the message and was not written here. */
  know(name: string, offset: number): void {
    const key = nameKey(name);
    for (let [at, end] = [0, offset]; at < key.length;) {
      this.#remember(key.slice(at), end);
      const next = labelEnd(key, at);
      end += 1 + labelSize(key, at, next);
      at = next + 1;
    }
  }

  /**
   * Writes a name. With `plain` it points nowhere, for RDATA where that is not allowed (RFC 2782, RFC
   * 3597 4); later names may point to it all the same.
   *
   * @throws {SyntaxError} for a label that is none
   */
  name(name: string, form: "compressed" | "plain" = "compressed"): void {
    const key = nameKey(name);
    for (let at = 0; at < name.length;) {
      const rest = at === 0 ? key : key.slice(at);
      const known = form === "compressed" ? this.#names.get(rest) : undefined;
      if (known !== undefined) {
        this.uint16(0xc000 | known);
        return;
      }
      this.#remember(rest, this.#base + this.#length);
      const next = labelEnd(name, at);
      this.#label(name, at, next);
      at = next + 1;
    }
    this.uint8(0);
  }

  /** Forgets what was written from `length` on. */
  rewind(length: number): void {
    this.#length = length;
    for (const [key, offset] of this.#names) {
      if (offset >= this.#base + length) this.#names.delete(key);
    }
  }

  #label(name: string, start: number, end: number): void {
    const size = labelSize(name, start, end);
    // Whatever is not plain is checked and written the long way.
    if (size !== end - start || size === 0 || size > MAX_LABEL_BYTES) {
      const bytes = labelBytes(name.slice(start, end));
      this.uint8(bytes.length);
      this.raw(bytes);
      return;
    }
    let at = this.#grow(size + 1);
    this.#bytes[at++] = size;
    for (let i = start; i < end; i++) this.#bytes[at++] = name.charCodeAt(i);
  }

  #remember(key: string, offset: number): void {
    if (offset < POINTER_REACH && !this.#names.has(key)) this.#names.set(key, offset);
  }

  /** Makes room; the buffer may be another one afterwards. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(
        Math.max(this.#length, this.#bytes.length * 2, MIN_BUFFER_BYTES),
      );
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

function labelEnd(name: string, start: number): number {
  const dot = name.indexOf(".", start);
  return dot < 0 ? name.length : dot;
}

/** Bytes of a label: an escape is four characters for one. */
function labelSize(name: string, start: number, end: number): number {
  let size = end - start;
  for (let i = name.indexOf("\\", start); i >= 0 && i < end; i = name.indexOf("\\", i + 1)) {
    size -= 3;
  }
  return size;
}
