import { type Endpoint, formatHostPort } from "../../config/scalars.ts";
import { Alarm } from "../../kernel/alarm.ts";
import { Backoff } from "../../kernel/backoff.ts";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import type { Message } from "../wire/message.ts";
import { TYPE } from "../wire/record_type.ts";
import { Asking, type AskingPorts } from "./asking.ts";
import type { Notice } from "./forward_event.ts";
import type { ForwardQuestion } from "./forward_question.ts";
import type { LoopProbes } from "./loop_probes.ts";
import { RoundTrip, type TimeoutBounds } from "./round_trip.ts";

/** What is known of an upstream; times are monotonic ms. */
export type UpstreamState =
  | { state: "up" }
  /** It owes an answer: probes find out. It is still asked, behind others. */
  | { state: "suspect" }
  /** It is not asked, but for one probe at a time. */
  | { state: "down"; sinceMs: number }
  /** What it is asked comes back to us: it is not asked until a probe does not come back. */
  | { state: "looping"; sinceMs: number };

/** An upstream's answer. */
export interface UpstreamAnswer {
  message: Message;
  transport: "udp" | "tcp";
  ms: number;
}

/** What an upstream is made with. */
export interface UpstreamPorts extends AskingPorts {
  probes: LoopProbes;
  /** Something about the upstream changed, or it answered. */
  changed: () => void;
  /** 0 to 1 exclusive, for jitter. */
  jitter: () => number;
}

/** Probes in a row that fail before an upstream is down. */
const PROBES_TO_DOWN = 3;
/** The least time that a probe gets, ms: what is slow for once must not be taken for dead. */
const MIN_PROBE_MS = 500;
/** Between probes of one that is down, ms. */
const RETRY_MS = { minDelayMs: 500, maxDelayMs: 10_000 };
/** Between probes of one that leads back to us, ms. */
const LOOP_RETRY_MS = 60_000;
/** Between looks for that, ms: of one that owes an answer, and of one that is asked. */
const LOOP_SUSPECT_MS = 10_000;
const LOOP_CHECK_MS = 600_000;
/** How long a probe may take to come back, ms. */
const LOOP_PROBE_MS = 2_000;

/**
 * One name server that is asked for the names of one zone, and its health. Probes are sent only after a failure,
 * and for names of the zone: what becomes of others, it may ask us.
 */
export class Upstream implements Disposable {
  /** `host:port`. */
  readonly key: string;
  /** A key; "" for the root. */
  readonly zone: string;
  /** What resolvers answer from memory, and what CoreDNS asks for the root: the name servers of the zone. */
  readonly #alive: ForwardQuestion;
  readonly #asking: Asking;
  readonly #clock: Clock;
  readonly #notice: Notice;
  readonly #ports: UpstreamPorts;
  readonly #roundTrip: RoundTrip;
  readonly #alarm: Alarm;
  readonly #stop = new AbortController();
  #state: UpstreamState = { state: "up" };
  #isProbing = false;
  /** Monotonic ms of the last look whether it leads back to us. */
  #loopCheckMs = -Infinity;

  constructor(zone: string, address: Endpoint, bounds: TimeoutBounds, ports: UpstreamPorts) {
    this.key = formatHostPort(address);
    this.zone = zone;
    this.#alive = { name: zone, type: TYPE.NS, dnssecOk: false, checkingDisabled: false };
    this.#ports = ports;
    this.#clock = ports.clock;
    this.#notice = ports.notice;
    this.#asking = new Asking(address, ports);
    this.#roundTrip = new RoundTrip(bounds);
    this.#alarm = new Alarm(ports.clock);
  }

  get state(): UpstreamState {
    return this.#state;
  }

  /** Whether questions may be sent to it. */
  get isUsable(): boolean {
    return this.#state.state === "up" || this.#state.state === "suspect";
  }

  /** Smoothed ms; undefined before the first answer. */
  get roundTripMs(): number | undefined {
    return this.#roundTrip.smoothedMs;
  }

  /** How long to wait for it before another try, ms, after so many tries. */
  timeoutMs(tries: number): number {
    return this.#roundTrip.timeoutMs(tries);
  }

  /**
   * Asks it, over UDP and where need be over TCP. Waits until `signal` aborts: an answer that is late is
   * still an answer.
   *
   * @throws what the network says, or the signal's reason
   */
  async ask(question: ForwardQuestion, signal: AbortSignal): Promise<UpstreamAnswer> {
    const startMs = this.#clock.monotonic();
    if (startMs - this.#loopCheckMs > LOOP_CHECK_MS) void this.checkLoop();
    try {
      const { message, transport } = await this.#asking.ask(question, signal, (ms) => {
        // It lives, also if what follows over TCP does not work.
        this.#roundTrip.observe(ms);
        this.#isAlive();
      });
      const ms = this.#clock.monotonic() - startMs;
      this.#notice({
        kind: "answered",
        upstream: this.key,
        transport,
        rcode: message.rcode,
        ms,
      });
      return { message, transport, ms };
    } catch (error) {
      if (!signal.aborted) this.failed(errorMessage(error));
      throw error;
    }
  }

  /** It did not answer in time, or there is no way to it: probes find out what of it is left. */
  failed(why: string): void {
    if (this.#stop.signal.aborted) return;
    this.#notice({ kind: "failed", upstream: this.key, why });
    this.doubt();
  }

  /** Finds out whether it still answers. */
  doubt(): void {
    if (this.#stop.signal.aborted) return;
    if (this.#state.state === "up") this.#set({ state: "suspect" });
    void this.#recover();
  }

  /** The network may be back: what waits for the next probe does not wait. */
  hurry(): void {
    if (!this.isUsable) this.#alarm.ring();
  }

  /** Finds out whether it leads back to us. */
  async checkLoop(): Promise<"returned" | "answered" | "silent"> {
    if (this.#stop.signal.aborted) return "silent";
    this.#loopCheckMs = this.#clock.monotonic();
    let returned = false;
    using probe = this.#ports.probes.start(this.zone, () => {
      returned = true;
      if (this.#state.state === "looping") return;
      this.#set({ state: "looping", sinceMs: this.#clock.monotonic() });
      void this.#recover();
    });
    const question = { ...this.#alive, name: probe.name, type: TYPE.HINFO };
    const answered = await this.#probe(question, LOOP_PROBE_MS);
    if (returned) return "returned";
    if (answered) return "answered";
    // After a start without a network no client should be the one to find that out.
    if (this.#state.state === "up") this.doubt();
    return "silent";
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#asking[Symbol.dispose]();
  }

  #set(state: UpstreamState): void {
    const [from, to] = [this.#state.state, state.state];
    this.#state = state;
    if (from === to) return;
    this.#notice({ kind: "state", upstream: this.key, zone: this.zone, from, to });
    this.#ports.changed();
  }

  #isAlive(): void {
    if (this.#state.state !== "looping") this.#set({ state: "up" });
  }

  /** Probes until the upstream is up: one at a time. */
  async #recover(): Promise<void> {
    if (this.#isProbing) return;
    this.#isProbing = true;
    const { signal } = this.#stop;
    const backoff = new Backoff(this.#clock, { ...RETRY_MS, random: this.#ports.jitter });
    for (let failures = 0; !signal.aborted && this.#state.state !== "up";) {
      if (this.#state.state === "looping") {
        await this.#alarm.sleep(LOOP_RETRY_MS, signal);
        if (signal.aborted) break;
        const found = await this.checkLoop();
        if (found === "answered") this.#set({ state: "up" });
        if (found === "silent") this.#setDown();
        continue;
      }
      if (this.#state.state === "down") await this.#alarm.sleep(backoff.next(), signal);
      if (signal.aborted) break;
      // In a loop a question never gets an answer: that is what it looks like.
      if (this.#clock.monotonic() - this.#loopCheckMs > LOOP_SUSPECT_MS) void this.checkLoop();
      // What is down may be far away as well: it gets the longest time.
      const tries = this.isUsable ? 0 : failures;
      const timeoutMs = Math.max(MIN_PROBE_MS, this.#roundTrip.timeoutMs(tries));
      if (await this.#probe(this.#alive, timeoutMs)) this.#isAlive();
      else if (++failures >= PROBES_TO_DOWN && this.isUsable) this.#setDown();
    }
    this.#isProbing = false;
  }

  #setDown(): void {
    this.#set({ state: "down", sinceMs: this.#clock.monotonic() });
  }

  /** Whether it answers a question, whatever it says, and whether or not that is an answer in the end. */
  async #probe(question: ForwardQuestion, timeoutMs: number): Promise<boolean> {
    let heard = false;
    const late = new AbortController();
    const stop = () => late.abort(new Error("no answer in time"));
    const cancel = this.#clock.timer(timeoutMs, stop);
    this.#stop.signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#asking.ask(question, late.signal, (ms) => {
        heard = true;
        this.#roundTrip.observe(ms);
      });
      return true;
    } catch {
      return heard;
    } finally {
      cancel();
      this.#stop.signal.removeEventListener("abort", stop);
    }
  }
}
