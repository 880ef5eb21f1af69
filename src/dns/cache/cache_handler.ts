import type { Clock } from "../../kernel/clock.ts";
import { Singleflight } from "../../kernel/singleflight.ts";
import type { DnsRequest, Handled, Handler, Next } from "../chain.ts";
import { questionKey, toForwardQuestion } from "../forward/forward_question.ts";
import { EDE, formatRcode, RCODE } from "../wire/rcode.ts";
import { CLASS_IN, TYPE } from "../wire/record_type.ts";
import type { AnswerCache, Entry, Found } from "./answer_cache.ts";
import { withTtl } from "./answer_ttl.ts";

/** How the cache answers; times in ms. */
export interface CacheHandlerOptions {
  /** Hits, with no minute between two of them, that make an entry be renewed before it ends; 0: never. */
  prefetchHits: number;
  /** How long a client waits for a new answer before it gets the stale one (RFC 8767 5). */
  clientTimeoutMs: number;
  /** After a failure the stale answer is sent at once for so long (RFC 8767 5). */
  recheckMs: number;
}

export const CACHE_HANDLER_DEFAULTS: CacheHandlerOptions = {
  prefetchHits: 3,
  clientTimeoutMs: 1_800,
  recheckMs: 30_000,
};

/** TTL of a stale answer, seconds (RFC 8767 4). */
const STALE_TTL_SECONDS = 30;
/** An entry is renewed when so much of its time is left. */
const PREFETCH_SHARE = 0.1;

/** Answers from memory, and remembers what those behind it answer. */
export class CacheHandler implements Handler {
  readonly name = "cache";
  readonly #cache: AnswerCache;
  readonly #clock: Clock;
  readonly #options: CacheHandlerOptions;
  readonly #singleflight = new Singleflight<Handled>();

  constructor(cache: AnswerCache, clock: Clock, options: Partial<CacheHandlerOptions> = {}) {
    this.#cache = cache;
    this.#clock = clock;
    this.#options = { ...CACHE_HANDLER_DEFAULTS, ...options };
  }

  handle(request: DnsRequest, next: Next): Handled | Promise<Handled> {
    const { query } = request;
    const { type } = query;
    if (query.class !== CLASS_IN || type === TYPE.AXFR || type === TYPE.IXFR) return next(request);
    const key = questionKey(toForwardQuestion(query));
    const found = this.#cache.find(key);
    if (found?.state === "fresh") {
      // Who desires no recursion must not cause one, here and below.
      if (query.recursionDesired && this.#isDue(found)) void this.#fetch(key, request, next);
      return served(found);
    }
    if (!query.recursionDesired) return next(request);
    if (found === undefined) return this.#fetch(key, request, next);
    const { recheckMs } = this.#options;
    if (this.#cache.hasFailedWithin(found.entry, recheckMs)) return stale(found);
    return this.#renewOrStale(key, found, request, next);
  }

  #isDue({ entry, leftMs }: Extract<Found, { state: "fresh" }>): boolean {
    const { prefetchHits, recheckMs } = this.#options;
    return prefetchHits > 0 && entry.kind !== "failure" && entry.hits >= prefetchHits &&
      leftMs < entry.ttlMs * PREFETCH_SHARE && !this.#cache.hasFailedWithin(entry, recheckMs);
  }

  /** Asks those behind, once at a time for a question, and remembers what they say. */
  #fetch(key: string, request: DnsRequest, next: Next): Promise<Handled> {
    return this.#singleflight.do(key, async () => {
      const handled = await next(request);
      if (handled.source !== "upstream") {
        // It says something of the network, not of the name; a refusal just of those who ask.
        if (handled.answer.rcode === RCODE.SERVFAIL) this.#cache.noteFailure(key);
        return handled;
      }
      return { ...handled, answer: this.#cache.store(key, handled.answer) };
    });
  }

  async #renewOrStale(
    key: string,
    found: Extract<Found, { state: "stale" }>,
    request: DnsRequest,
    next: Next,
  ): Promise<Handled> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.#clock.timer(this.#options.clientTimeoutMs, () => resolve(undefined));
    const handled = await Promise.race([this.#fetch(key, request, next), late]);
    cancel();
    return handled !== undefined && isOfName(handled) ? handled : stale(found);
  }
}

/** Whether an answer says something of the name that was asked for. */
function isOfName({ source, answer: { rcode } }: Handled): boolean {
  return source === "upstream" && (rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN);
}

function served({ entry, leftMs }: Extract<Found, { state: "fresh" }>): Handled {
  const leftSeconds = Math.floor(leftMs / 1_000);
  const ageSeconds = Math.round((entry.ttlMs - leftMs) / 1_000);
  return {
    answer: entry.kind === "failure" ? entry.answer : withTtl(entry.answer, leftSeconds),
    source: "cache",
    why: `${formatRcode(entry.answer.rcode)} kept ${ageSeconds} s ago, for ${leftSeconds} s more`,
  };
}

function stale({ entry, staleMs }: { entry: Entry; staleMs: number }): Handled {
  const { answer } = entry;
  const code = answer.rcode === RCODE.NXDOMAIN ? EDE.STALE_NXDOMAIN : EDE.STALE_ANSWER;
  const why = `no name server answered; the last that is known ended ${
    Math.round(staleMs / 1_000)
  } s ago`;
  return {
    answer: { ...withTtl(answer, STALE_TTL_SECONDS), extendedError: { code, text: why } },
    source: "stale",
    why,
  };
}
