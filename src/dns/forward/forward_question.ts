import type { DnsQuestion } from "../chain.ts";

/** What upstreams are asked: class IN, recursion desired. Answers differ by all of it. */
export interface ForwardQuestion {
  /** A key: see `wire/name.ts`. */
  name: string;
  type: number;
  /** The DO bit (RFC 3225). */
  dnssecOk: boolean;
  /** The CD bit (RFC 4035 3.2.2). */
  checkingDisabled: boolean;
}

/** The part of a client's question that upstreams are to see. */
export function toForwardQuestion(query: DnsQuestion): ForwardQuestion {
  const { name, type, checkingDisabled, edns } = query;
  return { name, type, dnssecOk: edns?.dnssecOk ?? false, checkingDisabled };
}

/** What questions are told apart by. */
export function questionKey(question: ForwardQuestion): string {
  const { name, type, dnssecOk, checkingDisabled } = question;
  return `${type}${dnssecOk ? "d" : ""}${checkingDisabled ? "c" : ""} ${name}`;
}
