/** Bytes of the length before each message (RFC 1035 4.2.2). */
const LENGTH_BYTES = 2;

/** Cuts a TCP stream into the messages that it carries, whatever pieces it comes in. */
export class TcpFrames {
  readonly #maxBytes: number;
  #rest: Uint8Array = new Uint8Array();

  /** @param maxBytes longest message that is taken: what a client may make us hold */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a message has begun that is not whole yet. */
  get isOpen(): boolean {
    return this.#rest.length > 0;
  }

  /**
   * The messages that are whole now.
   *
   * @throws {SyntaxError} for one that is empty or too long: nothing after it can be trusted
   */
  push(bytes: Uint8Array): Uint8Array[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (all.length - at >= LENGTH_BYTES) {
      const length = all[at]! << 8 | all[at + 1]!;
      if (length === 0 || length > this.#maxBytes) {
        throw new SyntaxError(`Cannot read a message of ${length} bytes`);
      }
      const end = at + LENGTH_BYTES + length;
      if (end > all.length) break;
      messages.push(all.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
    this.#rest = all.slice(at);
    return messages;
  }
}

/** A message as it goes into a TCP stream: in one piece, as some read only once (RFC 7766 8). */
export function formatFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + message.length);
  frame[0] = message.length >> 8;
  frame[1] = message.length & 0xff;
  frame.set(message, LENGTH_BYTES);
  return frame;
}
