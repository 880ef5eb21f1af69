import type { Answer } from "../wire/answer.ts";
import { skipName } from "../wire/name.ts";
import { RCODE } from "../wire/rcode.ts";
import { TYPE } from "../wire/record_type.ts";

/** What kind of answer one is; `failure` says nothing of the name. */
export type AnswerKind = "positive" | "negative" | "failure";

/** Bounds of the time that answers are kept, seconds. */
export interface TtlBounds {
  maxPositive: number;
  maxNegative: number;
  /** Also of a TTL of 0. */
  min: number;
  failure: number;
}

/** Those of CoreDNS's plugin `cache`. */
export const TTL_BOUNDS: TtlBounds = { maxPositive: 3600, maxNegative: 1800, min: 5, failure: 5 };

/** What kind an answer is, and how long it may be kept, seconds (RFC 2308, RFC 9520). */
export function lifetimeOf(
  answer: Answer,
  bounds: TtlBounds,
): { kind: AnswerKind; ttlSeconds: number } {
  if (answer.rcode !== RCODE.NOERROR && answer.rcode !== RCODE.NXDOMAIN) {
    return { kind: "failure", ttlSeconds: bounds.failure };
  }
  let lowest = Infinity;
  let hasSoa = false;
  const firstAuthority = answer.answers;
  const firstAdditional = firstAuthority + answer.authorities;
  eachRecord(answer, ({ records, view, index, typeAt }) => {
    lowest = Math.min(lowest, view.getUint32(typeAt + 4));
    const type = view.getUint16(typeAt);
    if (type !== TYPE.SOA || index < firstAuthority || index >= firstAdditional) return;
    hasSoa = true;
    const end = typeAt + 10 + view.getUint16(typeAt + 8);
    // The last of its numbers says how long the lack of a name may be remembered (RFC 2308 4).
    if (end <= records.length) lowest = Math.min(lowest, view.getUint32(end - 4));
  });
  const isNegative = answer.rcode === RCODE.NXDOMAIN || answer.answers === 0 || hasSoa;
  const max = isNegative ? bounds.maxNegative : bounds.maxPositive;
  // Without an SOA nothing says how long it may be kept (RFC 2308 5).
  const said = isNegative && !hasSoa ? 0 : lowest;
  return {
    kind: isNegative ? "negative" : "positive",
    ttlSeconds: Math.min(max, Math.max(bounds.min, said)),
  };
}

/** The answer with every TTL set to `seconds`. */
export function withTtl(answer: Answer, seconds: number): Answer {
  const records = answer.records.slice();
  eachRecord({ ...answer, records }, ({ view, typeAt }) => view.setUint32(typeAt + 4, seconds));
  return { ...answer, records };
}

interface RecordPlace {
  records: Uint8Array;
  view: DataView;
  /** Which one it is, over all sections. */
  index: number;
  /** Where its type is, behind its name. */
  typeAt: number;
}

function eachRecord(answer: Answer, visit: (place: RecordPlace) => void): void {
  const { records, answers, authorities, additionals } = answer;
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const count = answers + authorities + additionals;
  for (let [index, at] = [0, 0]; index < count; index++) {
    const typeAt = skipName(records, at);
    visit({ records, view, index, typeAt });
    at = typeAt + 10 + view.getUint16(typeAt + 8);
  }
}
