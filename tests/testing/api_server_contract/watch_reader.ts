import assert from "node:assert/strict";
import type { Json } from "./scratch.ts";

/** One line of a watch stream. */
export interface WatchFrame {
  type: string;
  object: Json;
}

/** Reads a JSON watch stream frame by frame. */
export class WatchReader implements AsyncDisposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(response: Response) {
    assert.ok(response.body, "a watch without a body");
    this.response = response;
    this.#reader = response.body.getReader();
  }

  /** The next frame; undefined at the end of the stream. */
  async next(): Promise<WatchFrame | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end !== -1) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return JSON.parse(line);
      }
      const { done, value } = await this.#reader.read();
      if (done) {
        assert.equal(this.#text, "", "the stream ended in the middle of a frame");
        return undefined;
      }
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  /** The next frames, exactly that many. */
  async take(count: number): Promise<WatchFrame[]> {
    const frames: WatchFrame[] = [];
    while (frames.length < count) {
      const frame = await this.next();
      assert.ok(frame, `the watch ended after ${frames.length} of ${count} frames`);
      frames.push(frame);
    }
    return frames;
  }

  /** All frames until the server ends the stream. */
  async rest(): Promise<WatchFrame[]> {
    const frames: WatchFrame[] = [];
    for (let frame = await this.next(); frame !== undefined; frame = await this.next()) {
      frames.push(frame);
    }
    return frames;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

/** `ADDED a` and so on, which is what most expectations are about. */
export function shortForm({ type, object }: WatchFrame): string {
  return type === "BOOKMARK" ? type : `${type} ${object.metadata.name}`;
}
