import { createFailure, type DnsRequest, type Handled, type Handler } from "../chain.ts";
import { createAnswer } from "../wire/answer.ts";
import { extendedErrorsOf } from "../wire/edns.ts";
import { HEADER_BYTES, MAX_MESSAGE_BYTES } from "../wire/message.ts";
import { MAX_NAME_BYTES } from "../wire/name.ts";
import { EDE, formatRcode, RCODE } from "../wire/rcode.ts";
import { CLASS_IN, TYPE } from "../wire/record_type.ts";
import { type Forwarded, type Forwarder } from "./forwarder.ts";
import { toForwardQuestion } from "./forward_question.ts";

const RETURNED = createFailure(
  RCODE.REFUSED,
  "a probe of this server came back to it: an upstream forwards to it",
  EDE.PROHIBITED,
);
const NOT_RECURSIVE = createFailure(
  RCODE.REFUSED,
  "recursion is not desired, and the name is not of a zone here",
  EDE.NOT_AUTHORITATIVE,
);
const NOT_FORWARDED = createFailure(
  RCODE.REFUSED,
  "zone transfers and classes other than IN are not forwarded",
  EDE.NOT_SUPPORTED,
);
const OVERLOADED = createFailure(RCODE.REFUSED, "too many questions are under way");
const NO_UPSTREAM = createFailure(
  RCODE.SERVFAIL,
  "no name server is configured for it",
  EDE.NO_REACHABLE_AUTHORITY,
);
const TOO_LARGE = createFailure(RCODE.SERVFAIL, "the answer is too large");

/** Bytes of records that fit into a message with the longest question. */
const MAX_RECORDS_BYTES = MAX_MESSAGE_BYTES - HEADER_BYTES - MAX_NAME_BYTES - 4;

/** The end of the chain: upstreams answer. */
export class ForwardHandler implements Handler {
  readonly name = "forward";
  readonly #forwarder: Forwarder;

  constructor(forwarder: Forwarder) {
    this.#forwarder = forwarder;
  }

  handle({ query, client }: DnsRequest): Handled | Promise<Handled> {
    const { name, type } = query;
    if (this.#forwarder.isOwnProbe(name, type)) return RETURNED;
    if (query.class !== CLASS_IN || type === TYPE.AXFR || type === TYPE.IXFR) return NOT_FORWARDED;
    if (!query.recursionDesired) return NOT_RECURSIVE;
    return this.#forward(query, client?.address);
  }

  async #forward(query: DnsRequest["query"], client: string | undefined): Promise<Handled> {
    return toHandled(query.name, await this.#forwarder.resolve(toForwardQuestion(query), client));
  }
}

function toHandled(name: string, forwarded: Forwarded): Handled {
  switch (forwarded.state) {
    case "answered":
      return toAnswered(name, forwarded);
    case "unreachable":
    case "late":
      return createFailure(
        RCODE.SERVFAIL,
        `no name server answered: ${forwarded.why}`,
        EDE.NO_REACHABLE_AUTHORITY,
      );
    case "overloaded":
      return OVERLOADED;
    case "no-upstream":
      return NO_UPSTREAM;
    default:
      return forwarded satisfies never;
  }
}

function toAnswered(
  name: string,
  { upstream, answer: { message, transport, ms } }: Extract<Forwarded, { state: "answered" }>,
): Handled {
  const { rcode, answers, authorities, additionals, edns } = message;
  const answer = createAnswer(name, {
    // Those above need an OPT record, and speak of ours.
    rcode: rcode > 15 ? RCODE.SERVFAIL : rcode,
    authoritative: false,
    answers,
    authorities,
    additionals,
    extendedError: extendedErrorsOf(edns)[0],
  });
  // Names that were compressed where we must not do that have grown: what is no message any more can't be sent.
  if (answer.records.length > MAX_RECORDS_BYTES) return TOO_LARGE;
  const why = `${formatRcode(rcode)} from ${upstream} over ${transport} in ${Math.round(ms)} ms`;
  return { answer, source: "upstream", why, upstream };
}
