import { UnavailableError } from "../../kernel/errors.ts";
import { packBatch } from "./packed_batch.ts";
import { spawnStateWriter, type WriterReply, type WriterRequest } from "./state_writer.ts";

/** The main thread's side of the writer: requests are answered in their order. */
export class WriterClient {
  readonly #worker: Worker;
  readonly #waiting: PromiseWithResolvers<WriterReply>[] = [];
  #broken: Error | undefined;

  constructor() {
    this.#worker = spawnStateWriter();
    this.#worker.onmessage = ({ data }: MessageEvent<WriterReply>) =>
      this.#waiting.shift()?.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#broken = new UnavailableError(`Cannot run the state writer: ${event.message}`);
      for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#broken);
    };
  }

  /** @throws {UnavailableError} when the writer itself is broken */
  ask(request: WriterRequest): Promise<WriterReply> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const waiting = Promise.withResolvers<WriterReply>();
    this.#waiting.push(waiting);
    if (request.type === "batch") {
      const packed = packBatch(request.operations);
      this.#worker.postMessage({ type: "batch", ...packed } satisfies WriterRequest, [
        packed.bodies,
      ]);
    } else {
      this.#worker.postMessage(request);
    }
    return waiting.promise;
  }

  /** Closes the file and ends the Worker. */
  async close(): Promise<void> {
    try {
      await this.ask({ type: "close" });
    } catch {
      // A broken writer holds nothing open that ends later than it.
    }
    this.#worker.terminate();
  }
}
