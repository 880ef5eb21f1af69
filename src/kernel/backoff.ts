import type { Clock } from "./clock.ts";

/** Bounds of a {@linkcode Backoff}, in ms. */
export interface BackoffOptions {
  /** First delay. Default 800, as client-go's reflector. */
  minDelayMs?: number;
  /** Longest delay, jitter included. Default 30,000, as client-go's reflector. */
  maxDelayMs?: number;
  /** 0 to 1 exclusive source of jitter. Default `Math.random`. */
  random?: () => number;
}

/**
 * Exponential back-off with jitter, reset by the caller after a success. A delay lies between the
 * nominal one and twice that, as in client-go's `wait.Backoff{Factor: 2, Jitter: 1}`. The nominal one ends at
 * half of the longest, so that those who failed together don't come back together, however long it takes.
 */
export class Backoff {
  readonly #clock: Clock;
  readonly #minDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor(clock: Clock, options: BackoffOptions = {}) {
    const { minDelayMs = 800, maxDelayMs = 30_000, random = Math.random } = options;
    if (!(minDelayMs > 0 && minDelayMs <= maxDelayMs)) {
      throw new RangeError(
        `Cannot create backoff as "minDelayMs" must be > 0 and <= "maxDelayMs": current values are ${minDelayMs} and ${maxDelayMs}`,
      );
    }
    this.#clock = clock;
    this.#minDelayMs = minDelayMs;
    this.#maxDelayMs = maxDelayMs;
    this.#random = random;
  }

  /** The next delay in ms; each call is one more failure. */
  next(): number {
    const longestMs = Math.max(this.#minDelayMs, this.#maxDelayMs / 2);
    const nominal = Math.min(longestMs, this.#minDelayMs * 2 ** this.#attempt);
    if (nominal < longestMs) this.#attempt++;
    return Math.min(this.#maxDelayMs, nominal * (1 + this.#random()));
  }

  /** Sleeps for the next delay, or until `signal` aborts. */
  wait(signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(this.next(), signal);
  }

  /** The last try worked: the next delay is the first one again. */
  reset(): void {
    this.#attempt = 0;
  }
}
