import type { Next } from "./chain.ts";
import { readAnswer } from "./wire/answer.ts";
import { CLASS_IN } from "./wire/record_type.ts";
import type { ResolveTarget } from "./zone/chase.ts";

/**
 * Resolves names that the cluster zone leads to but that are not its own, through `next`: the cache and
 * what is behind it, so that what is known of them outlives an outage.
 */
export function createTargetResolver(next: Next): ResolveTarget {
  return async (target, type) => {
    const query = {
      name: target,
      type,
      class: CLASS_IN,
      recursionDesired: true,
      checkingDisabled: false,
    };
    const { answer } = await next({ query, transport: "udp" });
    const { answers, authorities } = readAnswer(target, type, answer);
    return { rcode: answer.rcode, answers, authorities, extendedError: answer.extendedError };
  };
}
