import type { Clock } from "../../kernel/clock.ts";
import { LINK_TIMES, type LinkState, type LinkTimes, type Probe } from "./link_state.ts";

/** Failed probes in a row that make a link `down`. */
const FAILED_PROBES = 2;
/** Weight of a new sample in the smoothed round-trip time (RFC 6298). */
const RTT_GAIN = 1 / 8;

/** The state machine of one cloud server. Bytes and the probe alone set the state. */
export class Link {
  readonly #clock: Clock;
  readonly #probe: Probe;
  readonly #times: LinkTimes;
  readonly #random: () => number;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #waiting = new Set<{ sinceMs: number }>();
  #state: LinkState;
  #lastByteMs: number;
  #aliveAtMs: number | undefined;
  #roundTripMs: number | undefined;
  #cut = new AbortController();
  #wake: () => void = () => {};

  constructor(clock: Clock, probe: Probe, random: () => number, times: LinkTimes = LINK_TIMES) {
    this.#clock = clock;
    this.#probe = probe;
    this.#random = random;
    this.#times = times;
    this.#lastByteMs = clock.monotonic();
    this.#state = { state: "suspect", sinceMs: clock.now(), cause: "not tried yet" };
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Whether requests should be sent at all. */
  get isOpen(): boolean {
    return this.#state.state === "up" || this.#state.state === "suspect";
  }

  /** Aborts when the link goes down, and with it every stream; a new one stands ready afterwards. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Wall clock of the last sign of life, ms since the Unix epoch; undefined before the first. */
  get aliveAtMs(): number | undefined {
    return this.#aliveAtMs;
  }

  /** Smoothed round-trip time in ms; undefined before the first probe. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Calls back on every change of state until the returned function is called. */
  subscribe(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Bytes came: the link lives. */
  alive(): void {
    this.#lastByteMs = this.#clock.monotonic();
    this.#aliveAtMs = this.#clock.now();
    for (const waiting of this.#waiting) waiting.sinceMs = this.#lastByteMs;
    if (this.#state.state !== "up") this.#become({ state: "up", sinceMs: this.#clock.now() });
  }

  /** A request was sent: from now on silence counts. The returned function says that it ended. */
  expectAnswer(): () => void {
    const waiting = { sinceMs: this.#clock.monotonic() };
    this.#waiting.add(waiting);
    this.#wake();
    return () => this.#waiting.delete(waiting);
  }

  /** An attempt failed before any answer: worth a probe at once. */
  suspect(cause: string): void {
    if (this.#state.state !== "up") return;
    this.#become({ state: "suspect", sinceMs: this.#clock.now(), cause });
  }

  /** Resolves once the link is known to be up or not (at most two probes), or when `signal` aborts. */
  decided(signal: AbortSignal): Promise<void> {
    return this.#until((state) => state.state !== "suspect", signal);
  }

  /**
   * Paces tries: resolves after `ms`, but not before the link is open; at once when it comes back.
   */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    if (this.isOpen) await this.#sleep(ms, signal, ({ state }) => state !== "suspect");
    await this.#until(() => this.isOpen, signal);
  }

  #until(holds: (state: LinkState) => boolean, signal: AbortSignal): Promise<void> {
    if (holds(this.#state) || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        unsubscribe();
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const unsubscribe = this.subscribe((state) => holds(state) && finish());
      signal.addEventListener("abort", finish, { once: true });
    });
  }

  /** Watches the link until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let retryMs = this.#times.minRetryMs;
    while (!signal.aborted) {
      if (this.#state.state === "up") {
        failures = 0;
        retryMs = this.#times.minRetryMs;
        await this.#silence(signal);
        continue;
      }
      if (!this.isOpen) {
        await this.#clock.sleep(retryMs * (0.5 + this.#random() / 2), signal);
        retryMs = Math.min(this.#times.maxRetryMs, retryMs * 2);
        if (signal.aborted) return;
      }
      const found = await this.#probe(this.#probeMs(), signal);
      if (signal.aborted) return;
      switch (found.result) {
        case "answered":
          this.#measure(found.roundTripMs);
          this.alive();
          break;
        case "rejected":
          this.#become({ state: "rejected", sinceMs: this.#clock.now(), cause: found.cause });
          break;
        case "silent":
          failures++;
          // Bytes on another stream meanwhile have set the state to up: they outweigh the probe.
          if (this.#state.state === "suspect" && failures >= FAILED_PROBES) {
            this.#become({ state: "down", sinceMs: this.#clock.now(), cause: found.cause });
          }
          break;
        default:
          found satisfies never;
      }
    }
  }

  /** Returns when an open link has been silent for too long, or became suspect otherwise. */
  async #silence(signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    let oldest = Infinity;
    for (const { sinceMs } of this.#waiting) oldest = Math.min(oldest, sinceMs);
    const answerDue = oldest + this.#silenceMs();
    const due = Math.min(answerDue, this.#lastByteMs + this.#times.idleMs);
    if (due <= now) {
      const cause = answerDue <= now
        ? `no byte of an answer for ${Math.round(now - oldest)} ms`
        : `silent for ${Math.round(now - this.#lastByteMs)} ms`;
      this.#become({ state: "suspect", sinceMs: this.#clock.now(), cause });
      return;
    }
    const asked = new AbortController();
    this.#wake = () => asked.abort();
    await this.#sleep(due - now, AbortSignal.any([signal, asked.signal]), () => true);
  }

  /** Sleeps, but not past a change of state that matters. */
  async #sleep(
    ms: number,
    signal: AbortSignal,
    matters: (state: LinkState) => boolean,
  ): Promise<void> {
    if (signal.aborted) return;
    const woken = new AbortController();
    const wake = () => woken.abort();
    const unsubscribe = this.subscribe((state) => matters(state) && wake());
    signal.addEventListener("abort", wake, { once: true });
    await this.#clock.sleep(ms, woken.signal);
    signal.removeEventListener("abort", wake);
    unsubscribe();
  }

  #silenceMs(): number {
    const { minSilenceMs, maxSilenceMs } = this.#times;
    return Math.min(maxSilenceMs, Math.max(minSilenceMs, 3 * (this.#roundTripMs ?? 0)));
  }

  #probeMs(): number {
    const { minProbeMs, maxProbeMs } = this.#times;
    return Math.min(maxProbeMs, Math.max(minProbeMs, 4 * (this.#roundTripMs ?? 0)));
  }

  #measure(roundTripMs: number): void {
    const before = this.#roundTripMs ?? roundTripMs;
    this.#roundTripMs = before + RTT_GAIN * (roundTripMs - before);
  }

  #become(state: LinkState): void {
    const changed = state.state !== this.#state.state;
    this.#state = state;
    if (!changed) return;
    if (state.state === "down" || state.state === "rejected") {
      const cut = this.#cut;
      this.#cut = new AbortController();
      cut.abort(new Error(`the link to the cloud is ${state.state}: ${state.cause}`));
    }
    for (const listener of [...this.#listeners]) listener(state);
  }
}
