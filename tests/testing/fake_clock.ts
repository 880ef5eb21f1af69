import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/kernel/clock.ts";

interface Timer {
  dueMs: number;
  callback: () => void;
}

/**
 * A {@linkcode Clock} that stands still until {@linkcode FakeClock.advance} moves it. Wall and monotonic
 * time start apart, so that a test sees when one is taken for the other.
 */
export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>();
  readonly #startMs: number;
  #monotonicMs = 0;
  #skewMs = 0;

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs;
  }

  /** Timers and sleeps not yet due: 0 once everything was cleaned up. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#startMs + this.#monotonicMs + this.#skewMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  timer(ms: number, callback: () => void): () => void {
    const timer: Timer = { dueMs: this.#monotonicMs + Math.max(0, ms), callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const cancel = this.timer(ms, finish);
      signal?.addEventListener("abort", finish, { once: true });
    });
  }

  /**
   * Moves time on by `ms`. What is due on the way fires in order, each at its own time, and everything that
   * follows from it without I/O has happened before the next one fires and before this resolves.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await setImmediate();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#timers.delete(next);
      this.#monotonicMs = Math.max(this.#monotonicMs, next.dueMs);
      next.callback();
      await setImmediate();
    }
    this.#monotonicMs = endMs;
  }

  /** Lets the wall clock jump, as an NTP step does; no timer notices. */
  jump(ms: number): void {
    this.#skewMs += ms;
  }

  #next(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}
