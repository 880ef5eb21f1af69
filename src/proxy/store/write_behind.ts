import type { Clock } from "../../kernel/clock.ts";
import { Overlay } from "./overlay.ts";
import type { StateFile } from "./state_file.ts";
import type { WriterReply } from "./state_writer.ts";
import type { MakeRoom, StoreEvents } from "./store_options.ts";

/** Changes are committed together, at most this late. */
const FLUSH_MS = 250;
/** Bookmarks alone are committed this late: flash wears out. */
export const LAZY_FLUSH_MS = 30_000;
/** First and longest time between tries while the disk refuses to be written. */
const [RETRY_MS, MAX_RETRY_MS] = [5_000, 60_000];
/** A first list waits when more than this is not written yet. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/** Nothing was written for so long: the file is tidied up. */
const TIDY_MS = 60_000;
/** Share of the file's bound from which on room is made, and down to which. */
const [FULL_SHARE, ROOM_SHARE] = [0.9, 0.8];
/** Room that a refused batch needs beside its own bytes. */
const SPARE_BYTES = 256 * 1024;

/** Is told whether what it waits for is in the file. */
type Waiting = (isWritten: boolean) => void;

/** Changes on their way to the file: gathered, handed to the writer in batches, kept until it has them. */
export class WriteBehind implements AsyncDisposable {
  readonly #file: StateFile;
  readonly #clock: Clock;
  readonly #events: StoreEvents;
  /** Scopes whose objects are sealed. */
  readonly sealed = new Set<number>();
  /** Makes room when the file is full. */
  makeRoom: MakeRoom = () => Promise.resolve(false);
  #pending = new Overlay();
  #inFlight: Overlay | undefined;
  #busy = false;
  #working: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  #cancelTidy: (() => void) | undefined;
  #flushDue = 0;
  #retryMs = RETRY_MS;
  #refusing = false;
  #closed = false;
  /** Nothing was left to be evicted at this monotonic time. */
  #fullAtMs = -Infinity;
  #settled: (() => void)[] = [];
  /** Those who wait until what is pending is in the file. */
  #waiting: Waiting[] = [];

  constructor(file: StateFile, clock: Clock, events: StoreEvents) {
    this.#file = file;
    this.#clock = clock;
    this.#events = events;
  }

  /** Whether the disk refuses to be written. */
  get failing(): boolean {
    return this.#refusing || !this.#file.isOpen;
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
    if (bytes < HIGH_WATER_BYTES || this.failing || this.#closed) return Promise.resolve();
    this.flush();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  /** Writes everything at once. @returns whether what was changed by now is in the file */
  written(): Promise<boolean> {
    if (this.failing || this.#closed) return Promise.resolve(false);
    if (this.#pending.isEmpty && this.#inFlight === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.flush();
    });
  }

  /** Forgets kept answers in the file, now. @returns whether that worked */
  async forget(keys: string[]): Promise<boolean> {
    return (await this.#file.ask({ type: "forget", keys })).type === "done";
  }

  /** Forgets scopes, and deletes their objects from the file, now. @returns whether that worked */
  async drop(scopes: readonly number[]): Promise<boolean> {
    for (const scope of scopes) this.change((pending) => pending.drop(scope));
    const operations = scopes.map((scope) => ({ op: "drop" as const, scope }));
    return await this.#sweep(await this.#file.ask({ type: "batch", operations }));
  }

  /** Nothing that is unwritten is of use any more. */
  abandon(): void {
    this.#pending = new Overlay();
    this.#inFlight = undefined;
    tell(this.#waiting.splice(0), false);
  }

  /** Deletes what forgotten scopes left, in steps between which batches are written. */
  async #sweep(reply: WriterReply): Promise<boolean> {
    while (reply.type === "done" && reply.hasLeftovers && !this.#closed) {
      reply = await this.#file.ask({ type: "sweep" });
    }
    return reply.type === "done";
  }

  #schedule(delayMs: number): void {
    if (!this.#file.isOpen || this.#closed) return;
    const delay = this.#refusing ? this.#retryMs : delayMs;
    const due = this.#clock.monotonic() + delay;
    if (this.#cancelTimer !== undefined && this.#flushDue <= due) return;
    this.#cancelTimer?.();
    this.#flushDue = due;
    this.#cancelTimer = this.#clock.timer(delay, () => this.flush());
  }

  /** Writes what is unwritten, unless that is being done. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#busy || this.#pending.isEmpty || !this.#file.isOpen || this.#closed) return;
    this.#cancelTidy?.();
    this.#inFlight = this.#pending;
    this.#pending = new Overlay();
    this.#busy = true;
    const waiting = this.#waiting.splice(0);
    this.#working = this.#write(this.#inFlight, waiting).then((again) => {
      this.#busy = false;
      for (const resolve of this.#settled.splice(0)) resolve();
      // Whoever came too late for this batch and found it on its way.
      if (this.#pending.isEmpty) tell(this.#waiting.splice(0), !this.failing);
      if (again || this.#waiting.length > 0) this.flush();
      else if (!this.#pending.isEmpty) this.#schedule(FLUSH_MS);
    });
  }

  /** @returns whether the next batch should follow at once: room was made for it */
  async #write(batch: Overlay, waiting: Waiting[]): Promise<boolean> {
    const operations = batch.toOperations(this.sealed);
    const reply = await this.#file.ask({ type: "batch", operations });
    tell(waiting, reply.type === "done");
    // Abandoned or closed meanwhile: nobody waits for this batch.
    if (this.#inFlight !== batch) return false;
    if (reply.type === "failed") {
      this.#pending = this.#takeAll();
      if (reply.full && await this.makeRoom(this.#pending.bytes + SPARE_BYTES)) return true;
      this.#refused(reply.message);
      return false;
    }
    this.#inFlight = undefined;
    if (this.#refusing) this.#events.writeRecovered();
    this.#refusing = false;
    await this.#sweep(reply);
    await this.#keepRoom();
    if (!this.#closed) this.#cancelTidy = this.#clock.timer(TIDY_MS, () => this.#tidy());
    return false;
  }

  async #keepRoom(): Promise<void> {
    const { usedBytes, maxBytes } = this.#file.usage;
    const now = this.#clock.monotonic();
    if (usedBytes <= maxBytes * FULL_SHARE || now - this.#fullAtMs < MAX_RETRY_MS) return;
    if (!await this.makeRoom(usedBytes - maxBytes * ROOM_SHARE)) this.#fullAtMs = now;
  }

  #refused(message: string): void {
    this.#retryMs = this.#refusing ? Math.min(MAX_RETRY_MS, this.#retryMs * 2) : RETRY_MS;
    if (!this.#refusing) this.#events.writeFailed(message);
    this.#refusing = true;
  }

  #tidy(): void {
    this.#working = this.#file.ask({ type: "tidy" }).then(() => {});
  }

  /** Everything unwritten as one overlay. */
  #takeAll(): Overlay {
    const all = this.#inFlight ?? new Overlay();
    all.add(this.#pending);
    this.#inFlight = undefined;
    this.#pending = new Overlay();
    return all;
  }

  /** Writes what is unwritten, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTidy?.();
    // Writing the batch in flight once more is harmless: every operation is idempotent.
    const rest = this.#takeAll();
    const operations = rest.toOperations(this.sealed);
    if (!rest.isEmpty) await this.#file.ask({ type: "batch", operations });
    await this.#working;
    tell(this.#waiting.splice(0), false);
  }
}

function tell(waiting: Waiting[], isWritten: boolean): void {
  for (const resolve of waiting) resolve(isWritten);
}
