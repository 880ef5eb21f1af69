import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { RCODE } from "../wire/rcode.ts";
import type { ForwardQuestion } from "./forward_question.ts";
import type { Upstream, UpstreamAnswer, UpstreamState } from "./upstream.ts";

/** What became of a question. */
export type Landed =
  | { state: "answered"; answer: UpstreamAnswer; upstream: string }
  /** Nobody can be asked: all are down, lead back to us, or have failed. `why` says that of each. */
  | { state: "unreachable"; why: string }
  /** Nobody answered in time. */
  | { state: "late"; why: string };

/** What there is to say of an upstream that was not asked. */
const NOT_ASKED: Record<UpstreamState["state"], string> = {
  up: "was not asked",
  suspect: "was not asked",
  down: "is down",
  looping: "asks this server",
};

/** One question on its way to several upstreams, one after the other. */
export class Flight {
  readonly #question: ForwardQuestion;
  readonly #upstreams: readonly Upstream[];
  readonly #clock: Clock;
  /** Ends everything that is under way. */
  readonly #stop = new AbortController();
  /** Tries by upstream; those that gave all that they can are not in it. */
  readonly #tries: Map<Upstream, number>;
  /** What the last try of an upstream came to, where that is no answer. */
  readonly #failures = new Map<Upstream, string>();
  #good: Landed | undefined;
  /** An answer such as SERVFAIL, which another upstream may do better than. */
  #poor: Landed | undefined;
  #isLate = false;
  #wake: () => void = () => {};

  constructor(question: ForwardQuestion, upstreams: readonly Upstream[], clock: Clock) {
    this.#question = question;
    this.#upstreams = upstreams;
    this.#clock = clock;
    this.#tries = new Map(upstreams.map((upstream) => [upstream, 0]));
  }

  /** Something about the upstreams changed. */
  wake(): void {
    this.#wake();
  }

  /** Ends it without an answer. */
  cancel(): void {
    this.#isLate = true;
    this.#wake();
  }

  /**
   * Asks the upstreams in turn, each as long as it usually takes, and the slow ones stay asked: whose
   * answer comes first has it. Never rejects.
   */
  async run(deadlineMs: number): Promise<Landed> {
    const cancelTimer = this.#clock.timer(deadlineMs, () => this.cancel());
    try {
      while (!this.#isOver()) {
        const upstream = this.#next();
        if (upstream === undefined) break;
        const tries = this.#tries.get(upstream)!;
        this.#tries.set(upstream, tries + 1);
        void this.#ask(upstream);
        await this.#wait(upstream, upstream.timeoutMs(tries));
      }
      return this.#good ?? this.#poor ??
        { state: this.#isLate ? "late" : "unreachable", why: this.#whyNot() };
    } finally {
      cancelTimer();
      this.#stop.abort(new Error("not waited for any more"));
    }
  }

  #isOver(): boolean {
    return this.#good !== undefined || this.#isLate;
  }

  /** What is with each upstream: `10.0.0.1:53: did not answer in time; 10.0.0.2:53: is down`. */
  #whyNot(): string {
    return this.#upstreams.map((upstream) =>
      `${upstream.key}: ${this.#failures.get(upstream) ?? NOT_ASKED[upstream.state.state]}`
    ).join("; ");
  }

  /** The upstream to ask now: the one with the fewest tries, of these one that is up, of these the first. */
  #next(): Upstream | undefined {
    const rank = (upstream: Upstream) =>
      2 * (this.#tries.get(upstream) ?? 0) + (upstream.state.state === "up" ? 0 : 1);
    let best: Upstream | undefined;
    for (const upstream of this.#upstreams) {
      if (!upstream.isUsable || !this.#tries.has(upstream)) continue;
      if (best === undefined || rank(upstream) < rank(best)) best = upstream;
    }
    return best;
  }

  /** Waits until the flight is over, `upstream` has failed, nobody is left, or it took longer than usual. */
  async #wait(upstream: Upstream, timeoutMs: number): Promise<void> {
    let isSlow = false;
    const cancelTimer = this.#clock.timer(timeoutMs, () => {
      isSlow = true;
      this.#wake();
    });
    while (!isSlow && !this.#isOver() && this.#tries.has(upstream) && upstream.isUsable) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    cancelTimer();
    if (!isSlow && !this.#isLate) return;
    upstream.failed("no answer in time");
    this.#failures.set(upstream, "did not answer in time");
  }

  async #ask(upstream: Upstream): Promise<void> {
    try {
      const answer = await upstream.ask(this.#question, this.#stop.signal);
      const landed: Landed = { state: "answered", answer, upstream: upstream.key };
      const { rcode } = answer.message;
      if (rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN) this.#good = landed;
      else {
        this.#poor = landed;
        this.#tries.delete(upstream);
      }
    } catch (error) {
      // The upstream has taken note of it.
      this.#tries.delete(upstream);
      if (!this.#stop.signal.aborted) this.#failures.set(upstream, errorMessage(error));
    }
    this.#wake();
  }
}
