import type { Clock } from "../../kernel/clock.ts";
import { type CloudLink, pauseOn, sleepUnless, untilState } from "./cloud_link.ts";
import { Expectations, type Expected } from "./expectations.ts";
import {
  LINK_TIMES,
  type LinkState,
  type LinkTimes,
  type Probe,
  type ProbeResult,
} from "./link_state.ts";
import { RoundTrip } from "./round_trip.ts";

/** Failed probes in a row that make a link `down`. */
const FAILED_PROBES = 2;
/** Round trips that an answer and a probe may take. */
const ANSWER_TRIPS = 3;
const PROBE_TRIPS = 4;

/** The state machine of one cloud server. Bytes and the probe alone set the state. */
export class Link implements CloudLink {
  readonly #clock: Clock;
  readonly #probe: Probe;
  readonly #times: () => LinkTimes;
  readonly #random: () => number;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #expectations: Expectations;
  readonly #roundTrip = new RoundTrip();
  #state: LinkState;
  #aliveAtMs: number | undefined;
  #measuredMs = -Infinity;
  #cut = new AbortController();
  #wake: () => void = () => {};
  #wakesAtMs = Infinity;

  /** @param times asked again for each wait, as they change with what the server is used for */
  constructor(
    clock: Clock,
    probe: Probe,
    random: () => number,
    times: () => LinkTimes = () => LINK_TIMES,
  ) {
    this.#clock = clock;
    this.#probe = probe;
    this.#random = random;
    this.#times = times;
    this.#expectations = new Expectations(clock);
    this.#state = { state: "suspect", sinceMs: clock.now(), cause: "not tried yet" };
  }

  get state(): LinkState {
    return this.#state;
  }

  get isOpen(): boolean {
    return this.#state.state === "up" || this.#state.state === "suspect";
  }

  /** Aborts when the link goes down, and with it every stream; a new one stands ready afterwards. */
  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  get aliveAtMs(): number | undefined {
    return this.#aliveAtMs;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTrip.ms;
  }

  /** How long a small question may remain unanswered on a living connection, ms. */
  get patienceMs(): number {
    const { minProbeMs, maxProbeMs } = this.#times();
    return this.#roundTrip.limitMs(PROBE_TRIPS, { minMs: minProbeMs, maxMs: maxProbeMs });
  }

  subscribe(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Bytes came: the link lives. */
  alive(): void {
    this.#expectations.alive();
    this.#aliveAtMs = this.#clock.now();
    if (this.#state.state !== "up") this.#become({ state: "up", sinceMs: this.#clock.now() });
  }

  /** A probe that had been given up on was answered after all. */
  answeredLate(roundTripMs: number): void {
    this.#measure(roundTripMs);
    this.alive();
  }

  /** A request was sent, or a body is read on: from now on silence counts, until the returned function is called. */
  expect(what: Expected): () => void {
    const ended = this.#expectations.expect(what);
    const { minSilenceMs, minBodySilenceMs } = this.#times();
    // Called for every chunk of a body: mostly there is nothing to do earlier than planned.
    const soonestMs = what === "body" ? minBodySilenceMs : minSilenceMs;
    if (this.#clock.monotonic() + soonestMs < this.#wakesAtMs) this.#wake();
    return ended;
  }

  /** An attempt failed before any answer: worth a probe at once. */
  suspect(cause: string): void {
    if (this.#state.state !== "up") return;
    this.#become({ state: "suspect", sinceMs: this.#clock.now(), cause });
  }

  /** Somebody needs to know now: the next probe is not waited for. */
  hurry(): void {
    this.#measuredMs = -Infinity;
    this.#wake();
  }

  decided(signal: AbortSignal): Promise<void> {
    return untilState(this, ({ state }) => state !== "suspect", signal);
  }

  pause(ms: number, signal: AbortSignal): Promise<void> {
    return pauseOn(this, { ms, clock: this.#clock, signal });
  }

  /** Watches the link until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let retries = 0;
    while (!signal.aborted) {
      if (this.#state.state === "up") {
        failures = 0;
        retries = 0;
        await this.#quiet(signal);
        if (this.#state.state !== "up" || !this.#isMeasurementDue()) continue;
      } else if (!this.isOpen) {
        await this.#nap(this.#retryMs(retries++), signal);
      }
      if (signal.aborted) return;
      const askedMs = this.#clock.monotonic();
      const found = await this.#probe(this.patienceMs, signal);
      if (signal.aborted) return;
      failures = this.#take(found, failures, askedMs);
    }
  }

  /** What a probe found; returns how many have failed in a row. */
  #take(found: ProbeResult, failures: number, askedMs: number): number {
    const sinceMs = this.#clock.now();
    switch (found.result) {
      case "answered":
        this.#measure(found.roundTripMs);
        this.alive();
        return 0;
      case "rejected":
        this.#become({ state: "rejected", sinceMs, cause: found.cause });
        return 0;
      case "silent":
        if (this.#expectations.lastByteMs > askedMs) {
          // Bytes on another stream outweigh the probe. If it is only late, the link is slower than believed.
          if (found.late) this.#measure(2 * (this.#clock.monotonic() - askedMs));
          return 0;
        }
        if (this.#state.state === "up") {
          this.#measuredMs = this.#clock.monotonic();
          // What is waited for has a limit of its own: a full queue may have delayed the probe alone.
          if (this.#next() !== undefined) return 0;
          this.#become({ state: "suspect", sinceMs, cause: found.cause });
        } else if (this.#state.state === "suspect" && failures + 1 >= FAILED_PROBES) {
          this.#become({ state: "down", sinceMs, cause: found.cause });
        }
        return failures + 1;
      default:
        return found satisfies never;
    }
  }

  /** Returns when an open link has been silent for too long, became suspect otherwise, or should be measured. */
  async #quiet(signal: AbortSignal): Promise<void> {
    const times = this.#times();
    const now = this.#clock.monotonic();
    const { lastByteMs } = this.#expectations;
    const next = this.#next();
    const due = Math.min(next?.dueMs ?? Infinity, lastByteMs + times.idleMs);
    if (due <= now) {
      const cause = next !== undefined && next.dueMs <= now
        ? `no byte of an answer for ${Math.round(now - next.sinceMs)} ms`
        : `silent for ${Math.round(now - lastByteMs)} ms`;
      this.#become({ state: "suspect", sinceMs: this.#clock.now(), cause });
      return;
    }
    if (this.#isMeasurementDue()) return;
    await this.#nap(Math.min(due, this.#measuredMs + times.measureMs) - now, signal);
  }

  /** What is waited for, and until when it is due. */
  #next(): ReturnType<Expectations["next"]> {
    const { minSilenceMs, maxSilenceMs, minBodySilenceMs } = this.#times();
    const bounds = { minMs: minSilenceMs, maxMs: maxSilenceMs };
    return this.#expectations.next({
      answerMs: this.#roundTrip.limitMs(ANSWER_TRIPS, bounds),
      bodyMs: minBodySilenceMs,
      maxMs: maxSilenceMs,
    });
  }

  /** Sleeps, but not past a change of state or a call of `#wake`. */
  async #nap(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    this.#wakesAtMs = this.#clock.monotonic() + ms;
    const either = AbortSignal.any([signal, woken.signal]);
    await sleepUnless(() => true, { ms, clock: this.#clock, link: this, signal: either });
  }

  #isMeasurementDue(): boolean {
    return this.#clock.monotonic() - this.#measuredMs >= this.#times().measureMs;
  }

  /** The wait before the next try, half of it jitter, so that the nodes of a site don't all try at once. */
  #retryMs(retries: number): number {
    const { minRetryMs, maxRetryMs } = this.#times();
    return Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(retries, 16)) *
      (0.5 + this.#random() / 2);
  }

  /** What was measured before an outage says little about the way that there is now. */
  #measure(roundTripMs: number): void {
    this.#roundTrip.measure(roundTripMs, { afresh: !this.isOpen });
    this.#measuredMs = this.#clock.monotonic();
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
