import { labelBytes, nameKey } from "./name.ts";

/** Pointers have 14 bits (RFC 1035 4.1.4). */
const POINTER_REACH = 0x4000;

/** Writes numbers and names of a message, big-endian, names compressed. Grows as needed. */
export class WireWriter {
  #bytes: Uint8Array;
  #view: DataView;
  /** Offset in the message of the first byte that is written here. */
  readonly #base: number;
  #length = 0;
  /** Keys of the names, and ends of names, that later ones can point to, with their offsets in the message. */
  readonly #names = new Map<string, number>();

  constructor(base = 0, sizeBytes = 512) {
    this.#base = base;
    this.#bytes = new Uint8Array(sizeBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#length;
  }

  /** What was written, in memory of its own. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length) as Uint8Array<ArrayBuffer>;
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
      const label = labelAt(key, at);
      end += 1 + labelBytes(label).length;
      at += label.length + 1;
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
      const label = labelAt(name, at);
      const bytes = labelBytes(label);
      this.uint8(bytes.length);
      this.raw(bytes);
      at += label.length + 1;
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

  #remember(key: string, offset: number): void {
    if (offset < POINTER_REACH && !this.#names.has(key)) this.#names.set(key, offset);
  }

  /** Makes room; the buffer may be another one afterwards. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

function labelAt(name: string, at: number): string {
  const dot = name.indexOf(".", at);
  return name.slice(at, dot < 0 ? undefined : dot);
}
