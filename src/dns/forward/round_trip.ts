/** Bounds of a time-out, ms. */
export interface TimeoutBounds {
  minMs: number;
  maxMs: number;
}

/** Before anything is known of an upstream (RFC 6298 2.1). */
const INITIAL_MS = 1_000;

/** How long an upstream takes to answer, and so how long to wait for it, as TCP does (RFC 6298 2). */
export class RoundTrip {
  readonly #bounds: TimeoutBounds;
  #smoothedMs: number | undefined;
  #varianceMs = 0;

  constructor(bounds: TimeoutBounds) {
    this.#bounds = bounds;
  }

  /** Smoothed ms; undefined before the first answer. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  /** An answer took so long. */
  observe(ms: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = ms;
      this.#varianceMs = ms / 2;
      return;
    }
    this.#varianceMs += (Math.abs(ms - this.#smoothedMs) - this.#varianceMs) / 4;
    this.#smoothedMs += (ms - this.#smoothedMs) / 8;
  }

  /** How long to wait for an answer before another try, ms; `tries` came before, each doubles it. */
  timeoutMs(tries: number): number {
    const { minMs, maxMs } = this.#bounds;
    const basis = this.#smoothedMs === undefined
      ? INITIAL_MS
      : this.#smoothedMs + 4 * this.#varianceMs;
    return Math.min(maxMs, Math.max(minMs, basis) * 2 ** tries);
  }
}
