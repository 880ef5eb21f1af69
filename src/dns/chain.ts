import { type Answer, createAnswer } from "./wire/answer.ts";
import type { Query } from "./wire/query.ts";
import { EDE, RCODE } from "./wire/rcode.ts";

/** What is asked: what handlers look at of a {@linkcode Query}. They make up others, too. */
export type DnsQuestion = Pick<
  Query,
  "name" | "type" | "class" | "recursionDesired" | "checkingDisabled" | "edns"
>;

/** Who asks. */
export interface DnsClient {
  /** IP address. */
  address: string;
  port: number;
}

/** A question on its way through the handlers. */
export interface DnsRequest {
  query: DnsQuestion;
  transport: "udp" | "tcp";
  /** Undefined when the agent itself asks. */
  client?: DnsClient;
}

/**
 * Where an answer comes from: the cluster zone, the cache, the cache beyond its time, an upstream, the
 * completion of a search path, or nowhere: it says that there is none.
 */
export type Source = "cluster" | "cache" | "stale" | "upstream" | "search" | "none";

/** An answer, and what the query log, the metrics and `explain` say of it. */
export interface Handled {
  answer: Answer;
  source: Source;
  /** Why the answer is what it is, for a person. */
  why: string;
  /** `host:port` of who gave it, for the source `upstream`. */
  upstream?: string;
}

/** The handlers behind one's own. Never rejects. */
export type Next = (request: DnsRequest) => Handled | Promise<Handled>;

/** A link of the chain: answers by itself, or asks `next`, once or several times. Never rejects. */
export interface Handler {
  readonly name: string;
  handle(request: DnsRequest, next: Next): Handled | Promise<Handled>;
}

/** Joins handlers, first to last. What none of them answers is refused. */
export function createChain(handlers: readonly Handler[]): Next {
  return handlers.reduceRight<Next>(
    (next, handler) => (request) => handler.handle(request, next),
    refuse,
  );
}

/** An answer without records that says that there is none. */
export function createFailure(
  rcode: number,
  why: string,
  code: number = EDE.OTHER,
): Handled {
  const extendedError = { code, text: why };
  const answer = createAnswer("", { rcode, authoritative: false, extendedError });
  return { answer, source: "none", why };
}

const REFUSED = createFailure(RCODE.REFUSED, "nobody here answers that", EDE.PROHIBITED);

function refuse(): Handled {
  return REFUSED;
}
