import type { ByteStream } from "../../src/kernel/byte_stream.ts";

/** One end of a connection in memory, which a test feeds and looks at. */
export class MemoryStream implements ByteStream {
  /** What was written to it, joined. */
  written = "";
  /** Whether its writing side was ended. */
  ended = false;
  closed = false;
  /** While set, writes wait. */
  stuck = false;
  readonly #pieces: (Uint8Array | null)[] = [];
  #waiting: (() => void)[] = [];

  /** What the other side says: pieces, and null for its end. */
  say(...pieces: (string | Uint8Array | null)[]): this {
    const encoder = new TextEncoder();
    for (const each of pieces) {
      this.#pieces.push(typeof each === "string" ? encoder.encode(each) : each);
    }
    this.#wake();
    return this;
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.closed) throw new Error("closed");
      const piece = this.#pieces[0];
      if (piece === null) return null;
      this.#pieces.shift();
      if (piece !== undefined) return piece;
      await this.#change();
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    while (this.stuck && !this.closed) {
      await this.#change();
    }
    if (this.closed || this.ended) throw new Error("closed");
    this.written += new TextDecoder().decode(bytes);
  }

  closeWrite(): Promise<void> {
    if (this.closed) return Promise.reject(new Error("closed"));
    this.ended = true;
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#wake();
  }

  /** A reader and a writer may wait at the same time. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
