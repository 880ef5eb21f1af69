import type { Clock } from "../../kernel/clock.ts";
import type { Answer } from "../wire/answer.ts";
import { type AnswerKind, lifetimeOf, type TtlBounds, withTtl } from "./answer_ttl.ts";
import { SegmentedLru } from "./segmented_lru.ts";

/** How much is kept, and for how long. */
export interface AnswerCacheOptions {
  maxBytes: number;
  /** How long an answer may be served beyond its time, ms; 0: never. */
  maxStaleMs: number;
  ttl: TtlBounds;
}

/** An answer that is kept. Times are monotonic ms. */
export interface Entry {
  readonly answer: Answer;
  readonly kind: AnswerKind;
  /** May be negative, for one that was kept on disk. */
  readonly storedAtMs: number;
  readonly ttlMs: number;
  /** How often it was asked for with no long pause between. */
  hits: number;
  lastHitMs: number;
  /** When it last could not be renewed; undefined when that was not tried or worked. */
  failedAtMs?: number;
}

/** What is known of a question. */
export type Found =
  | { state: "fresh"; entry: Entry; leftMs: number }
  | { state: "stale"; entry: Entry; staleMs: number };

/** Positive answers are worth more: what is negative, and failures, get this part of the room. */
const NEGATIVE_SHARE = 0.25;
/** What an entry takes besides its records and key, bytes: 500 of heap, and what the runtime holds for it. */
const OVERHEAD_BYTES = 1_000;
/** A pause between hits after which an entry is as good as new, ms. */
const PAUSE_MS = 60_000;

/** Answers by question, for as long as they are good, and beyond that as the last that is known. */
export class AnswerCache {
  readonly #options: AnswerCacheOptions;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #positive: SegmentedLru<Entry>;
  readonly #negative: SegmentedLru<Entry>;
  /** Failures before this moment, monotonic ms, say nothing of the network as it is now. */
  #networkChangedMs = -Infinity;
  #news = 0;
  #renewals = 0;

  constructor(options: AnswerCacheOptions, clock: Pick<Clock, "monotonic">) {
    this.#options = options;
    this.#clock = clock;
    this.#positive = new SegmentedLru(options.maxBytes * (1 - NEGATIVE_SHARE));
    this.#negative = new SegmentedLru(options.maxBytes * NEGATIVE_SHARE);
  }

  get bytes(): number {
    return this.#positive.bytes + this.#negative.bytes;
  }

  get count(): number {
    return this.#positive.count + this.#negative.count;
  }

  /** How often something changed since the start: answers that were not known, and known ones that were renewed. */
  get changes(): { news: number; renewals: number } {
    return { news: this.#news, renewals: this.#renewals };
  }

  /** What is known of a question, which counts as asked for; undefined when nothing that may be served is. */
  find(key: string): Found | undefined {
    const entry = this.#positive.use(key) ?? this.#negative.use(key);
    if (entry === undefined) return undefined;
    const nowMs = this.#clock.monotonic();
    const leftMs = entry.storedAtMs + entry.ttlMs - nowMs;
    if (leftMs > 0) {
      entry.hits = nowMs - entry.lastHitMs > PAUSE_MS ? 1 : entry.hits + 1;
      entry.lastHitMs = nowMs;
      return { state: "fresh", entry, leftMs };
    }
    if (entry.kind !== "failure" && -leftMs < this.#options.maxStaleMs) {
      return { state: "stale", entry, staleMs: -leftMs };
    }
    this.#positive.delete(key);
    this.#negative.delete(key);
    return undefined;
  }

  /**
   * Keeps an answer. A failure takes nothing's place: what was known is the last that is known.
   *
   * @returns the answer as it is to be sent, its TTLs within bounds
   */
  store(key: string, answer: Answer): Answer {
    const nowMs = this.#clock.monotonic();
    const { kind, ttlSeconds } = lifetimeOf(answer, this.#options.ttl);
    const known = this.#positive.peek(key) ?? this.#negative.peek(key);
    if (kind === "failure" && known !== undefined && known.kind !== "failure") {
      known.failedAtMs = nowMs;
      return answer;
    }
    const bounded = withTtl(answer, ttlSeconds);
    const { hits, lastHitMs } = known ?? { hits: 0, lastHitMs: -Infinity };
    this.#put(key, {
      answer: bounded,
      kind,
      storedAtMs: nowMs,
      ttlMs: ttlSeconds * 1_000,
      hits,
      lastHitMs,
    });
    if (kind === "failure") return answer;
    if (known !== undefined && isSame(known.answer, bounded)) this.#renewals++;
    else this.#news++;
    return bounded;
  }

  /** A question could not be asked: what is known of it is all that there is for now. */
  noteFailure(key: string): void {
    const entry = this.#positive.peek(key) ?? this.#negative.peek(key);
    if (entry !== undefined) entry.failedAtMs = this.#clock.monotonic();
  }

  /** Whether an entry could not be renewed less than `ms` ago. */
  hasFailedWithin(entry: Entry, ms: number): boolean {
    const { failedAtMs = -Infinity } = entry;
    return failedAtMs > this.#networkChangedMs && this.#clock.monotonic() - failedAtMs < ms;
  }

  /** The network may be back: failures until now don't keep anything from being tried. */
  forgetFailures(): void {
    this.#networkChangedMs = this.#clock.monotonic();
  }

  /** Puts an entry in as it is, unless something is known already. */
  restore(key: string, entry: Entry): void {
    if (this.#positive.peek(key) === undefined && this.#negative.peek(key) === undefined) {
      this.#put(key, entry);
    }
  }

  /** All entries that say something of a name, the first ones to go before the others. */
  *entries(): Generator<[key: string, entry: Entry]> {
    for (const part of [this.#negative, this.#positive]) {
      for (const [key, entry] of part.entries()) if (entry.kind !== "failure") yield [key, entry];
    }
  }

  #put(key: string, entry: Entry): void {
    const isPositive = entry.kind === "positive";
    const [to, other] = isPositive
      ? [this.#positive, this.#negative]
      : [this.#negative, this.#positive];
    other.delete(key);
    to.set(key, entry, OVERHEAD_BYTES + key.length + entry.answer.records.length);
  }
}

/** Whether two answers say the same, however long. Those whose records come in another order do not. */
function isSame(a: Answer, b: Answer): boolean {
  if (a.rcode !== b.rcode || a.records.length !== b.records.length) return false;
  const [x, y] = [withTtl(a, 0).records, withTtl(b, 0).records];
  return x.every((byte, i) => byte === y[i]);
}
