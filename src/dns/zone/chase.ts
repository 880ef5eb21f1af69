import { type Answer, createAnswer } from "../wire/answer.ts";
import { type ExtendedError, RCODE } from "../wire/rcode.ts";
import type { ResourceRecord } from "../wire/record.ts";

/** An answer that lacks what a name outside of the zone leads to. */
export interface Chase {
  /** The question, as a key. */
  name: string;
  type: number;
  /** The CNAME records that lead to `target`. */
  chain: readonly ResourceRecord[];
  /** A key. */
  target: string;
}

/** What somebody else says of a target. */
export interface ResolvedTarget {
  rcode: number;
  /** For the target's own name, with further CNAME records before them. */
  answers: readonly ResourceRecord[];
  /** Of a negative answer. */
  authorities?: readonly ResourceRecord[];
  extendedError?: ExtendedError;
}

/** Resolves a name outside of the zone. SERVFAIL, not a rejection, when it can't. */
export type ResolveTarget = (target: string, type: number) => Promise<ResolvedTarget>;

/** The answer to a question whose chain of names leads out of the zone. */
export async function followChase(chase: Chase, resolve: ResolveTarget): Promise<Answer> {
  return finishChase(chase, await resolve(chase.target, chase.type));
}

/** The answer without what is outside of the zone, for who asks for no recursion: where to ask on (RFC 1034 4.3.1). */
export function leaveChase({ name, chain }: Chase): Answer {
  return createAnswer(name, { rcode: RCODE.NOERROR, answers: chain });
}

/**
 * The answer once the target is resolved. NXDOMAIN and NODATA are the target's own (RFC 6604 3, RFC 2308
 * 2). A target that can't be resolved makes a SERVFAIL: without its addresses the answer would say that
 * there are none, and would be remembered.
 */
export function finishChase({ name, chain }: Chase, resolved: ResolvedTarget): Answer {
  const { rcode, answers, authorities, extendedError } = resolved;
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) {
    return createAnswer(name, { rcode: RCODE.SERVFAIL, authoritative: false, extendedError });
  }
  return createAnswer(name, { rcode, answers: [...chain, ...answers], authorities, extendedError });
}
