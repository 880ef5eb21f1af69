import type { ByteStream } from "../../kernel/byte_stream.ts";

/** Messages on a TCP connection, each behind its length (RFC 1035 4.2.2). */
export class TcpFrames {
  readonly #stream: ByteStream;
  #rest: Uint8Array = new Uint8Array();

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Writes length and message in one piece: some servers read only once (RFC 7766 8). */
  async write(message: Uint8Array): Promise<void> {
    const framed = new Uint8Array(2 + message.length);
    framed[0] = message.length >> 8;
    framed[1] = message.length & 0xff;
    framed.set(message, 2);
    await this.#stream.write(framed);
  }

  /** The next message. @throws {Error} when the connection ends or breaks before it is whole */
  async read(): Promise<Uint8Array> {
    await this.#fill(2);
    const end = 2 + (this.#rest[0]! << 8 | this.#rest[1]!);
    await this.#fill(end);
    const message = this.#rest.slice(2, end);
    this.#rest = this.#rest.subarray(end);
    return message;
  }

  close(): void {
    this.#stream.close();
  }

  async #fill(length: number): Promise<void> {
    if (this.#rest.length >= length) return;
    const pieces = [this.#rest];
    let have = this.#rest.length;
    while (have < length) {
      const piece = await this.#stream.read();
      if (piece === null) throw new Error("the connection ended");
      pieces.push(piece);
      have += piece.length;
    }
    const joined = new Uint8Array(have);
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    this.#rest = joined;
  }
}
