import type { DnsRequest, Handled, Handler, Next } from "../../src/dns/chain.ts";
import { createAnswer, readAnswer } from "../../src/dns/wire/answer.ts";
import { extendedErrorsOf } from "../../src/dns/wire/edns.ts";
import type { Message } from "../../src/dns/wire/message.ts";
import { formatRecord } from "../../src/dns/wire/format_record.ts";
import { formatRcode } from "../../src/dns/wire/rcode.ts";
import { TYPE } from "../../src/dns/wire/record_type.ts";

/** A request of a client, by default one over UDP from `10.42.0.9`. */
export function request(name: string, fields: Partial<DnsRequest["query"]> = {}): DnsRequest {
  return {
    query: {
      name,
      type: TYPE.A,
      class: 1,
      recursionDesired: true,
      checkingDisabled: false,
      ...fields,
    },
    transport: "udp",
    client: { address: "10.42.0.9", port: 4_000 },
  };
}

/** What a handler gives for a message's fields. */
export function handledOf(
  name: string,
  fields: Partial<Message>,
  source: Handled["source"] = "upstream",
): Handled {
  const { rcode = 0, answers, authorities, additionals, edns } = fields;
  const extendedError = extendedErrorsOf(edns)[0];
  return {
    answer: createAnswer(name, {
      rcode,
      authoritative: source === "cluster",
      answers,
      authorities,
      additionals,
      extendedError,
    }),
    source,
    why: "said so",
  };
}

/** The last handler of a chain, which a test scripts, and what it was asked. */
export class ScriptedHandler implements Handler {
  readonly name = "scripted";
  readonly asked: string[] = [];
  answer: (request: DnsRequest) => Handled | Promise<Handled>;

  constructor(answer: (request: DnsRequest) => Handled | Promise<Handled>) {
    this.answer = answer;
  }

  handle(request: DnsRequest): Handled | Promise<Handled> {
    this.asked.push(request.query.name);
    return this.answer(request);
  }

  readonly next: Next = (request) => this.handle(request);
}

/** A reply in one line: `cache NOERROR a.example 300 IN A 1.1.1.1`, with the code of its extended error. */
export function shown(request: DnsRequest, { answer, source }: Handled): string {
  const { answers } = readAnswer(request.query.name, request.query.type, answer);
  const ede = answer.extendedError === undefined ? "" : ` EDE${answer.extendedError.code}`;
  const records = answers.map((record) => ` ${formatRecord(record).replaceAll(/\s+/g, " ")}`);
  return `${source} ${formatRcode(answer.rcode)}${ede}${records.join("")}`;
}
