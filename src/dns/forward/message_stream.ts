import type { ByteStream } from "../../kernel/byte_stream.ts";
import { formatFrame, TcpFrames } from "../wire/tcp_frames.ts";

/** Longest message that there can be, bytes. */
const MAX_BYTES = 0xffff;

/** Messages on a TCP connection, one after the other. */
export class MessageStream {
  readonly #stream: ByteStream;
  readonly #frames = new TcpFrames(MAX_BYTES);
  readonly #waiting: Uint8Array[] = [];

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  async write(message: Uint8Array): Promise<void> {
    await this.#stream.write(formatFrame(message));
  }

  /** The next message. @throws {Error} when the connection ends or breaks before it is whole */
  async read(): Promise<Uint8Array> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) return message;
      const piece = await this.#stream.read();
      if (piece === null) throw new Error("the connection ended");
      this.#waiting.push(...this.#frames.push(piece));
    }
  }

  close(): void {
    this.#stream.close();
  }
}
