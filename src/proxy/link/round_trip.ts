/** Weights of a new sample in the smoothed time and in its variation (RFC 6298, 2.3). */
const GAIN = 1 / 8;
const VARIATION_GAIN = 1 / 4;
/** Variations that an answer may be late by (RFC 6298, 2.3). */
const LATENESS = 4;

/** The round-trip time of a server as TCP estimates it (RFC 6298): a mean, and how much it varies. */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #variationMs = 0;

  /** Smoothed, ms; undefined before the first sample. */
  get ms(): number | undefined {
    return this.#smoothedMs;
  }

  /** Takes a sample. The first one is believed as it is, and so is the first one after an outage. */
  measure(sampleMs: number, options: { afresh?: boolean } = {}): void {
    if (this.#smoothedMs === undefined || options.afresh) {
      this.#smoothedMs = sampleMs;
      this.#variationMs = 0;
      return;
    }
    const difference = sampleMs - this.#smoothedMs;
    this.#variationMs += VARIATION_GAIN * (Math.abs(difference) - this.#variationMs);
    this.#smoothedMs += GAIN * difference;
  }

  /** How long something may take that takes so many round trips, within bounds; ms. */
  limitMs(trips: number, { minMs, maxMs }: { minMs: number; maxMs: number }): number {
    const usual = trips * (this.#smoothedMs ?? 0) + LATENESS * this.#variationMs;
    return Math.min(maxMs, Math.max(minMs, usual));
  }
}
