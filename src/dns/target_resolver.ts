import type { Next } from "./chain.ts";
import { readAnswer } from "./wire/answer_records.ts";
import type { ExtendedError } from "./wire/rcode.ts";
import type { ResourceRecord } from "./wire/record.ts";
import { CLASS_IN } from "./wire/record_type.ts";

/** What an ExternalName Service leads to. */
export interface TargetAnswer {
  rcode: number;
  answers: readonly ResourceRecord[];
  authorities: readonly ResourceRecord[];
  extendedError?: ExtendedError;
}

/**
 * Resolves names that the cluster zone leads to but that are not its own, through `next`: the cache and
 * what is behind it, so that what is known of them outlives an outage.
 */
export function createTargetResolver(
  next: Next,
): (target: string, type: number) => Promise<TargetAnswer> {
  return async (target, type) => {
    const query = {
      name: target,
      type,
      class: CLASS_IN,
      recursionDesired: true,
      checkingDisabled: false,
    };
    const { answer } = await next({ query, transport: "udp" });
    const { answers, authorities } = readAnswer(target, answer);
    return { rcode: answer.rcode, answers, authorities, extendedError: answer.extendedError };
  };
}
