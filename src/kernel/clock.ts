import { setImmediate } from "node:timers";

/**
 * Time as a port. Everything that waits or reads a time asks a {@linkcode Clock}; tests pass a fake one.
 */
export interface Clock {
  /** Wall clock, ms since the Unix epoch. May jump: only for what people or other machines read. */
  now(): number;
  /** Monotonic ms since an arbitrary start. For every interval, time-out and back-off. */
  monotonic(): number;
  /** Resolves after `ms`; resolves early, without an error, when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `callback` after `ms`; the returned function cancels it. */
  timer(ms: number, callback: () => void): () => void;
}

/** Longest delay of a timer, ms (25 days): what is longer would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

function delayOf(ms: number): number {
  return Math.min(Math.max(ms, 0), MAX_DELAY_MS);
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(id);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const id = setTimeout(finish, delayOf(ms));
      signal?.addEventListener("abort", finish, { once: true });
    });
  },
  timer(ms, callback) {
    const id = setTimeout(callback, delayOf(ms));
    return () => clearTimeout(id);
  },
};

/** Resolves when everything else that was ready had its turn: what computes for long waits for it now and then. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
