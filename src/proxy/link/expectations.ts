import type { Clock } from "../../kernel/clock.ts";

/** What is waited for: the first byte of an answer, or the next one of a body that is being read. */
export type Expected = "answer" | "body";

/** How long the longest gap in a body is remembered: each later chunk takes a twentieth off. */
const GAP_DECAY = 0.95;
/** A gap in a body that is twice the longest one seen lately means something. */
const GAP_TRUST = 2;

/** What is due from a server, and how long it has been silent. */
export class Expectations {
  readonly #clock: Clock;
  readonly #waiting = new Set<{ what: Expected; sinceMs: number }>();
  #lastByteMs: number;
  #gapMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastByteMs = clock.monotonic();
  }

  /** Of the last byte, monotonic ms. */
  get lastByteMs(): number {
    return this.#lastByteMs;
  }

  /** From now on silence counts. The returned function says that the wait ended. */
  expect(what: Expected): () => void {
    const waiting = { what, sinceMs: this.#clock.monotonic() };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }

  /** Bytes came: whoever waits may wait anew. */
  alive(): void {
    const now = this.#clock.monotonic();
    let inBody = false;
    for (const waiting of this.#waiting) {
      inBody ||= waiting.what === "body";
      waiting.sinceMs = now;
    }
    if (inBody) this.#gapMs = Math.max(now - this.#lastByteMs, this.#gapMs * GAP_DECAY);
    this.#lastByteMs = now;
  }

  /**
   * What has been waited for the longest, measured by its limit; undefined if nothing is.
   *
   * A body may pause for longer than an answer may take: of 64 kbit/s a TLS record of 16 KiB takes two
   * seconds, and nothing of it is seen before it is whole.
   */
  next(
    limits: { answerMs: number; bodyMs: number; maxMs: number },
  ): { sinceMs: number; dueMs: number } | undefined {
    const bodyMs = Math.min(
      limits.maxMs,
      Math.max(limits.answerMs, limits.bodyMs, GAP_TRUST * this.#gapMs),
    );
    let next: { sinceMs: number; dueMs: number } | undefined;
    for (const { what, sinceMs } of this.#waiting) {
      const dueMs = sinceMs + (what === "body" ? bodyMs : limits.answerMs);
      if (next === undefined || dueMs < next.dueMs) next = { sinceMs, dueMs };
    }
    return next;
  }
}
