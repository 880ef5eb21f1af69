/** Gathers a known number of bytes from the pieces of a stream. What lies in one piece is not copied. */
export class ByteGatherer {
  readonly #length: number;
  #bytes: Uint8Array | undefined;
  #filled = 0;

  /** @param length bounded by the caller: so much memory is taken as soon as a piece ends too early */
  constructor(length: number) {
    this.#length = length;
  }

  /** Takes what is needed of `piece` from `at` on; the offset behind it. */
  take(piece: Uint8Array, at: number): number {
    const end = Math.min(piece.length, at + this.#length - this.#filled);
    if (this.#filled === 0 && end - at === this.#length) {
      this.#bytes = piece.subarray(at, end);
    } else {
      this.#bytes ??= new Uint8Array(this.#length);
      this.#bytes.set(piece.subarray(at, end), this.#filled);
    }
    this.#filled += end - at;
    return end;
  }

  /** The bytes once all are there. */
  get whole(): Uint8Array | undefined {
    if (this.#length === 0) return new Uint8Array(0);
    return this.#filled === this.#length ? this.#bytes : undefined;
  }
}
