import { readAnswer } from "../wire/answer.ts";
import { formatRecord } from "../wire/format_record.ts";
import { nameKey, parseName } from "../wire/name.ts";
import { formatRcode, RCODE } from "../wire/rcode.ts";
import { formatType } from "../wire/record_type.ts";
import type { ClusterZone } from "./cluster_zone.ts";

/** What the zone answers, and why. */
export interface Explanation {
  name: string;
  type: string;
  /** `NOERROR`, `NODATA`, `NXDOMAIN`, …; `CNAME` for a chain that leads out of the zone, `ELSEWHERE` for no answer. */
  outcome: string;
  why: string;
  /** As dig shows them; those beside the answer are behind a `;`. */
  records: string[];
}

/** Why the zone answers a question as it does. @throws {SyntaxError} for what is no name */
export function explain(zone: ClusterZone, text: string, type: number): Explanation {
  const name = nameKey(parseName(text));
  const question = { name, type: formatType(type) };
  const said = zone.answer(name, type);
  switch (said.state) {
    case "elsewhere": {
      const why = `it is not in ${zone.options.zone}, nor the address of anything in the cluster`;
      return { ...question, outcome: "ELSEWHERE", why, records: [] };
    }
    case "chase": {
      const records = said.chase.chain.map(formatRecord);
      return { ...question, outcome: "CNAME", why: said.why, records };
    }
    case "answered": {
      const { answers, authorities, additionals } = readAnswer(name, type, said.answer);
      const empty = said.answer.rcode === RCODE.NOERROR && answers.length === 0;
      return {
        ...question,
        outcome: empty ? "NODATA" : formatRcode(said.answer.rcode),
        why: said.why,
        records: [
          ...answers.map(formatRecord),
          ...[...authorities, ...additionals].map((record) => `; ${formatRecord(record)}`),
        ],
      };
    }
    default:
      return said satisfies never;
  }
}

/** The text for a terminal. */
export function formatExplanation({ name, type, outcome, why, records }: Explanation): string {
  return [`${name}. ${type}: ${outcome}`, `because: ${why}`, ...records].join("\n") + "\n";
}
