import { Backoff } from "../../kernel/backoff.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { toCreate } from "./event_write.ts";
import type { Journal, Queued } from "./journal.ts";
import type { JournalEntry } from "./journal_entry.ts";
import type { KnownEvents } from "./known_events.ts";
import { judge, type Verdict } from "./verdict.ts";

/** What replaying works with. */
export interface ReplayOptions {
  journal: Journal;
  known: KnownEvents;
  link: Pick<CloudLink, "isOpen" | "decided" | "pause">;
  clock: Clock;
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
  /**
   * Sends an entry to the cloud; the body of the answer is not read.
   *
   * @throws {UnreachableError} when the cloud did not answer
   * @throws {UnknownSenderError} when its sender's credential is not known any more
   */
  send(entry: JournalEntry, signal: AbortSignal): Promise<Response>;
  /** Called for each Event that arrived. */
  delivered(): void;
  /** Called when an entry was dropped over an error that nobody foresaw. */
  failed(error: unknown): void;
  /** Called when the journal has become empty again, with the number of Events that arrived since. */
  emptied(count: number): void;
}

/** Whoever sent an entry is not known any more: it can't be sent on their behalf. */
export class UnknownSenderError extends Error {}

/** Between tries while the cloud answers but does not take an entry. */
const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
/** Longest `Retry-After` that is believed. */
const MAX_RETRY_AFTER_MS = 300_000;
/** Refusals of a sender that are taken for an authorizer that does not know its rules yet. */
const MAX_FORBIDDEN = 3;
/** Failures of the cloud over one entry before it is given up: some 15 minutes. */
const MAX_FAILURES = 20;

/** What became of one entry. `hold`: it waits, and its sender with it; a wait: everything does. */
type Outcome = "done" | "hold" | { waitMs: number };

/** How a pass over the journal ended: empty, or with something left that must wait. */
type Pass = { left: false } | { left: true; waitMs: number };

/** Sends what is journaled, one after the other in its order, whenever there is a link. */
export class Replay {
  readonly #options: ReplayOptions;
  readonly #backoff: Backoff;
  /** By sender: passes in a row that were answered 403. */
  readonly #forbidden = new Map<string, number>();
  #failures = { seq: 0, count: 0 };
  #delivered = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const { clock, random } = options;
    this.#backoff = new Backoff(clock, {
      minDelayMs: MIN_RETRY_MS,
      maxDelayMs: MAX_RETRY_MS,
      random,
    });
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { journal, link } = this.#options;
    while (!signal.aborted) {
      await journal.filled(signal);
      await link.decided(signal);
      await link.pause(0, signal);
      if (signal.aborted) return;
      const pass = await this.#pass(signal);
      if (signal.aborted) return;
      if (pass.left) {
        await link.pause(Math.max(pass.waitMs, this.#backoff.next()), signal);
        continue;
      }
      this.#backoff.reset();
      this.#forbidden.clear();
      if (this.#delivered > 0) this.#options.emptied(this.#delivered);
      this.#delivered = 0;
    }
  }

  /** Tries everything that waits. What can't be sent now holds back its sender and its Event, nothing else. */
  async #pass(signal: AbortSignal): Promise<Pass> {
    const { journal } = this.#options;
    const held = new Set<string>();
    let left = false;
    for (const queued of journal.queued()) {
      const { seq, caller, object } = queued;
      if (held.has(caller) || held.has(object)) {
        held.add(object);
        continue;
      }
      const entry = journal.take(seq);
      if (entry === undefined) continue;
      const outcome = await this.#deliver(queued, entry, signal);
      journal.putBack();
      if (signal.aborted) break;
      if (outcome === "done") continue;
      left = true;
      if (outcome !== "hold") return { left, waitMs: outcome.waitMs };
      held.add(caller).add(object);
    }
    return left ? { left, waitMs: 0 } : { left: false };
  }

  async #deliver(queued: Queued, entry: JournalEntry, signal: AbortSignal): Promise<Outcome> {
    const { journal } = this.#options;
    try {
      const { status, retryAfterMs } = await this.#send(entry, signal);
      const verdict = judge(entry.verb, status);
      if (verdict !== "create-again") return this.#conclude(queued, verdict, retryAfterMs);
      const event = this.#options.known.get(queued.caller, entry.path);
      if (event !== undefined) return await this.#deliver(queued, toCreate(entry, event), signal);
      journal.drop(queued.seq, "gone");
      return "done";
    } catch (error) {
      if (signal.aborted) return "hold";
      if (error instanceof UnknownSenderError) {
        journal.drop(queued.seq, "credential");
        return "done";
      }
      if (error instanceof UnreachableError) return error.answered ? "hold" : { waitMs: 0 };
      // It would fail again after each restart, and take the agent with it.
      journal.drop(queued.seq, "damaged");
      this.#options.failed(error);
      return "done";
    }
  }

  #conclude(
    { seq, caller }: Queued,
    verdict: Exclude<Verdict, "create-again">,
    retryAfterMs: number,
  ): Outcome {
    const { journal, delivered } = this.#options;
    switch (verdict) {
      case "delivered":
        journal.delivered(seq);
        delivered();
        this.#delivered++;
        this.#forbidden.delete(caller);
        this.#backoff.reset();
        return "done";
      case "refused":
        journal.drop(seq, "refused");
        return "done";
      case "forbidden": {
        const count = (this.#forbidden.get(caller) ?? 0) + 1;
        this.#forbidden.set(caller, count);
        if (count <= MAX_FORBIDDEN) return "hold";
        journal.drop(seq, "refused");
        return "done";
      }
      case "later":
        return this.#later(seq, retryAfterMs);
      default:
        return verdict satisfies never;
    }
  }

  async #send(
    entry: JournalEntry,
    signal: AbortSignal,
  ): Promise<{ status: number; retryAfterMs: number }> {
    const response = await this.#options.send(entry, signal);
    await response.body?.cancel();
    const seconds = Number(response.headers.get("retry-after")) || 0;
    const retryAfterMs = Math.min(MAX_RETRY_AFTER_MS, Math.max(0, seconds * 1_000));
    return { status: response.status, retryAfterMs };
  }

  /** The cloud is busy or broken; what breaks it again and again is given up. */
  #later(seq: number, waitMs: number): Outcome {
    const count = this.#failures.seq === seq ? this.#failures.count + 1 : 1;
    this.#failures = { seq, count };
    if (count < MAX_FAILURES) return { waitMs };
    this.#options.journal.drop(seq, "refused");
    return "done";
  }
}
