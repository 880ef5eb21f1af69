import type { Clock } from "./clock.ts";

/** A sleep that may be ended from outside. A ring while nobody sleeps is not lost. */
export class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the sleep, or the next one before it begins. */
  ring(): void {
    this.#rung = true;
    this.#end?.();
  }

  /** Sleeps for `ms`, until a ring, or until `signal` aborts. True when it rang. */
  async sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#rung && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = () => resolve();
      const cancel = this.#clock.timer(ms, end);
      signal.addEventListener("abort", end, { once: true });
      this.#end = end;
      await promise;
      this.#end = undefined;
      signal.removeEventListener("abort", end);
      cancel();
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}
