import { nameSize } from "../wire/name.ts";
import type { ResourceRecord } from "../wire/record.ts";
import { CLASS_IN, TYPE } from "../wire/record_type.ts";
import { type Answer, createAnswer } from "../wire/answer.ts";
import { NAME_SERVER } from "./name_servers.ts";

/** A negative answer lives no longer, whatever the TTL of others. */
const MAX_SOA_TTL_SECONDS = 300;

/** The SOA record of `zone`: what it says is CoreDNS's. */
export function soaRecord(zone: string, serial: number, ttlSeconds: number): ResourceRecord {
  return {
    name: zone,
    type: TYPE.SOA,
    class: CLASS_IN,
    ttlSeconds: Math.min(ttlSeconds, MAX_SOA_TTL_SECONDS),
    data: {
      kind: "soa",
      primary: `${NAME_SERVER}.${zone}`,
      mailbox: `hostmaster.${zone}`,
      serial,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: ttlSeconds,
    },
  };
}

/**
 * Negative answers of one zone. They are the same for all names of one length, as all that is in them
 * points to the zone at the end of the question: in the case that was asked for, too.
 */
export class NegativeAnswers {
  readonly #zone: string;
  readonly #ttlSeconds: number;
  #serial = 0;
  readonly #answers = new Map<number, Answer>();

  constructor(zone: string, ttlSeconds: number) {
    this.#zone = zone;
    this.#ttlSeconds = ttlSeconds;
  }

  /** The SOA record as it is now. */
  get soa(): ResourceRecord {
    return soaRecord(this.#zone, this.#serial, this.#ttlSeconds);
  }

  setSerial(serial: number): void {
    if (serial === this.#serial) return;
    this.#serial = serial;
    this.#answers.clear();
  }

  /** The answer that there is nothing at `name`, a key in the zone. */
  get(name: string, rcode: number): Answer {
    const key = nameSize(name) << 4 | rcode;
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = createAnswer(name, { rcode, authorities: [this.soa] });
      this.#answers.set(key, answer);
    }
    return answer;
  }
}
