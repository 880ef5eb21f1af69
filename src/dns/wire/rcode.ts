/** Response codes (RFC 1035 4.1.1, RFC 6891 9). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Needs an OPT record in the reply: its upper bits lie there. */
  BADVERS: 16,
} as const;

const NAMES = new Map<number, string>(Object.entries(RCODE).map(([name, code]) => [code, name]));

/** `NXDOMAIN`, or `RCODE23` for a code without a name here. */
export function formatRcode(rcode: number): string {
  return NAMES.get(rcode) ?? `RCODE${rcode}`;
}

/** Info codes of Extended DNS Errors (RFC 8914 5.2) that the agent sends. */
export const EDE = {
  OTHER: 0,
  STALE_ANSWER: 3,
  NOT_READY: 14,
  PROHIBITED: 18,
  STALE_NXDOMAIN: 19,
  NOT_AUTHORITATIVE: 20,
  NOT_SUPPORTED: 21,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
} as const;

/** Why an answer is as it is, for the person who reads it (RFC 8914). */
export interface ExtendedError {
  /** One of {@linkcode EDE}. */
  code: number;
  text: string;
}
