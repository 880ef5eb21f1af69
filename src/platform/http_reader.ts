import type { ByteStream } from "../kernel/byte_stream.ts";
import {
  headLength,
  MAX_HEAD_BYTES,
  parseResponseHead,
  type ResponseHead,
  toLatin1,
  valuesOf,
} from "./http_head.ts";

/** Longest line of a chunk's size, with its extensions, and longest trailer. */
const MAX_LINE_BYTES = 4 * 1024;

/** Reads one answer from a connection that carries nothing else. */
export class HttpReader {
  readonly #stream: ByteStream;
  #held: Uint8Array = new Uint8Array(0);

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** What was read behind the head: the first bytes of the new protocol. */
  get rest(): Uint8Array {
    return this.#held;
  }

  /**
   * The head of the answer; those of interim ones (1xx) before it are skipped.
   *
   * @throws {SyntaxError} when it is none or too long
   * @throws when the connection ends before
   */
  async head(): Promise<ResponseHead> {
    for (;;) {
      const length = headLength(this.#held);
      if (length !== undefined) {
        const head = parseResponseHead(this.#take(length));
        if (head.status === 101 || head.status >= 200) return head;
        continue;
      }
      if (this.#held.length > MAX_HEAD_BYTES) {
        throw new SyntaxError(
          `Cannot read an answer: its head is longer than ${MAX_HEAD_BYTES} bytes`,
        );
      }
      await this.#more();
    }
  }

  /**
   * The body of the answer, read as its reader asks for it (RFC 9112 6.3); the connection is closed
   * behind it. A body that is cut off is an error.
   */
  body(head: ResponseHead): ReadableStream<Uint8Array> | null {
    if (head.status === 204 || head.status === 304) {
      this.#stream.close();
      return null;
    }
    const parts = this.#parts(head);
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await parts.next();
          if (!done) return controller.enqueue(value);
          this.#stream.close();
          controller.close();
        } catch (error) {
          this.#stream.close();
          controller.error(error);
        }
      },
      cancel: () => this.#stream.close(),
    }, { highWaterMark: 0 });
  }

  async *#parts({ headers }: ResponseHead): AsyncGenerator<Uint8Array, void, void> {
    const encodings = valuesOf(headers, "transfer-encoding");
    const lengths = new Set(valuesOf(headers, "content-length"));
    if (encodings.length > 0) {
      if (encodings.join().trim().toLowerCase() !== "chunked") {
        throw new SyntaxError(`Cannot read a body with Transfer-Encoding ${encodings.join()}`);
      }
      return yield* this.#chunks();
    }
    if (lengths.size > 0) {
      const [length = ""] = lengths;
      if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) {
        throw new SyntaxError(`Cannot read a body with Content-Length ${[...lengths].join()}`);
      }
      return yield* this.#exactly(Number(length));
    }
    if (this.#held.length > 0) yield this.#take(this.#held.length);
    for (let bytes; (bytes = await this.#stream.read()) !== null;) yield bytes;
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const line = await this.#line();
      const size = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) {
        throw new SyntaxError(
          `Cannot read a chunk: its size is ${JSON.stringify(line.slice(0, 40))}`,
        );
      }
      if (/^0+$/.test(size)) break;
      yield* this.#exactly(parseInt(size, 16));
      if (await this.#line() !== "") {
        throw new SyntaxError("Cannot read a chunk: it is longer than its size");
      }
    }
    // Trailers say nothing that anybody here asks for.
    for (let left = MAX_LINE_BYTES; left > 0;) {
      const line = await this.#line();
      if (line === "") return;
      left -= line.length;
    }
    throw new SyntaxError(`Cannot read a body: its trailer is longer than ${MAX_LINE_BYTES} bytes`);
  }

  async *#exactly(length: number): AsyncGenerator<Uint8Array, void, void> {
    for (let left = length; left > 0;) {
      if (this.#held.length === 0) await this.#more();
      const part = this.#take(Math.min(left, this.#held.length));
      left -= part.length;
      yield part;
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf(10);
      if (end > MAX_LINE_BYTES || (end < 0 && this.#held.length > MAX_LINE_BYTES)) {
        throw new SyntaxError(
          `Cannot read a chunk: its line is longer than ${MAX_LINE_BYTES} bytes`,
        );
      }
      if (end >= 0) return toLatin1(this.#take(end + 1)).replace(/\r?\n$/, "");
      await this.#more();
    }
  }

  #take(length: number): Uint8Array {
    const part = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return part;
  }

  async #more(): Promise<void> {
    const bytes = await this.#stream.read();
    if (bytes === null) throw new Error("the connection ended before the answer did");
    if (this.#held.length === 0) {
      this.#held = bytes;
      return;
    }
    const both = new Uint8Array(this.#held.length + bytes.length);
    both.set(this.#held);
    both.set(bytes, this.#held.length);
    this.#held = both;
  }
}
