import type { Clock } from "../../kernel/clock.ts";
import { UnavailableError } from "../../kernel/errors.ts";
import { Overlay } from "./overlay.ts";
import { spawnStateWriter, type WriterReply, type WriterRequest } from "./state_writer.ts";

/** What the store tells its owner. */
export interface StoreEvents {
  /** A damaged file was renamed; the store began empty. */
  setAside(path: string, reason: string): void;
  /** A batch could not be written (disk full, read-only): the changes stay in memory and are tried again. */
  writeFailed(message: string): void;
  /** Writing works again. */
  writeRecovered(): void;
}

/** Changes are committed together, at most this late. */
const FLUSH_MS = 250;
/** Bookmarks alone are committed this late: flash wears out. */
export const LAZY_FLUSH_MS = 30_000;
/** Time between tries while the disk refuses to be written. */
const RETRY_MS = 5_000;
/** A first list waits when more than this is not written yet. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

/** Changes on their way to the file: gathered, handed to the writer's Worker in batches, kept until it has them. */
export class WriteBehind implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #events: StoreEvents;
  readonly #writer: Worker;
  #pending = new Overlay();
  #inFlight: Overlay | undefined;
  #cancelTimer: (() => void) | undefined;
  #flushDue = 0;
  #nextBatch = 1;
  #failing = false;
  #settled: (() => void)[] = [];
  #onReply: (reply: WriterReply) => void = () => {};

  private constructor(clock: Clock, events: StoreEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#writer = spawnStateWriter();
    this.#writer.onmessage = ({ data }: MessageEvent<WriterReply>) => this.#onReply(data);
  }

  /** Starts the writer on a file. @throws {UnavailableError} when the file can't be made or read */
  static async open(path: string, clock: Clock, events: StoreEvents): Promise<WriteBehind> {
    const behind = new WriteBehind(clock, events);
    try {
      const reply = await behind.#ask({ type: "open", path });
      if (reply.type !== "opened") {
        const reason = reply.type === "unusable" ? reply.message : reply.type;
        throw new UnavailableError(
          `Cannot open the state file ${path}: ${reason}; check that its directory is writable and the disk is not full`,
        );
      }
      if (reply.setAside) events.setAside(reply.setAside.path, reply.setAside.reason);
      behind.#onReply = (reply) => behind.#written(reply);
      return behind;
    } catch (error) {
      behind.#writer.terminate();
      throw error;
    }
  }

  #ask(request: WriterRequest): Promise<WriterReply> {
    return new Promise((resolve, reject) => {
      this.#onReply = resolve;
      this.#writer.onerror = (event) => {
        event.preventDefault();
        reject(new UnavailableError(`Cannot run the state writer: ${event.message}`));
      };
      this.#writer.postMessage(request);
    });
  }

  /** Whether the disk refuses to be written. */
  get failing(): boolean {
    return this.#failing;
  }

  /** What is not known to be in the file, newest first. */
  get unwritten(): Overlay[] {
    return this.#inFlight === undefined ? [this.#pending] : [this.#pending, this.#inFlight];
  }

  /** Records a change, which is committed within `delayMs`. */
  change(record: (pending: Overlay) => void, delayMs: number = FLUSH_MS): void {
    record(this.#pending);
    this.#schedule(delayMs);
  }

  /** Resolves when little is unwritten, so that a first list does not pile up in memory. */
  settled(): Promise<void> {
    const bytes = this.#pending.bytes + (this.#inFlight?.bytes ?? 0);
    if (bytes < HIGH_WATER_BYTES || this.#failing) return Promise.resolve();
    this.#flush();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  #schedule(delayMs: number): void {
    const delay = this.#failing ? RETRY_MS : delayMs;
    const due = this.#clock.monotonic() + delay;
    if (this.#cancelTimer !== undefined && this.#flushDue <= due) return;
    this.#cancelTimer?.();
    this.#flushDue = due;
    this.#cancelTimer = this.#clock.timer(delay, () => this.#flush());
  }

  #flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#inFlight !== undefined || this.#pending.isEmpty) return;
    this.#inFlight = this.#pending;
    this.#pending = new Overlay();
    this.#post(this.#inFlight);
  }

  #post(batch: Overlay): number {
    const id = this.#nextBatch++;
    const operations = batch.toOperations();
    this.#writer.postMessage({ type: "batch", id, operations } satisfies WriterRequest);
    return id;
  }

  #written(reply: WriterReply): void {
    if (reply.type === "done") {
      this.#inFlight = undefined;
      if (this.#failing) this.#events.writeRecovered();
      this.#failing = false;
    } else if (reply.type === "failed") {
      this.#pending = this.#takeAll();
      if (!this.#failing) this.#events.writeFailed(reply.message);
      this.#failing = true;
    }
    for (const resolve of this.#settled.splice(0)) resolve();
    if (!this.#pending.isEmpty) this.#schedule(FLUSH_MS);
  }

  /** Everything unwritten as one overlay. */
  #takeAll(): Overlay {
    const all = this.#inFlight ?? new Overlay();
    all.add(this.#pending);
    this.#inFlight = undefined;
    this.#pending = new Overlay();
    return all;
  }

  /** Writes what is unwritten, once, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelTimer?.();
    // Writing the batch in flight once more is harmless: every operation is idempotent.
    const rest = this.#takeAll();
    if (!rest.isEmpty) {
      await new Promise<void>((resolve) => {
        const id = this.#post(rest);
        this.#onReply = (reply) => "id" in reply && reply.id === id && resolve();
      });
    }
    await this.#ask({ type: "close" });
    this.#writer.terminate();
    for (const resolve of this.#settled.splice(0)) resolve();
  }
}
