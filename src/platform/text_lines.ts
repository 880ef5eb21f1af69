/** Splits a stream of UTF-8 bytes into lines, whatever pieces it comes in. */
export class TextLines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The lines that are whole now, without their ends. */
  push(bytes: Uint8Array): string[] {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = parts.pop()!;
    return parts;
  }

  /** What came behind the last line end, if anything. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = "";
    return rest === "" ? [] : [rest];
  }
}
