/** Numbers of record types (IANA's registry of DNS parameters) and of what may be asked for. */
export const TYPE = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  PX: 26,
  AAAA: 28,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  DNAME: 39,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  /** Incremental zone transfer (RFC 1995). */
  IXFR: 251,
  /** Zone transfer (RFC 5936). */
  AXFR: 252,
  /** Any of them (RFC 8482). */
  ANY: 255,
} as const;

/** The class of the Internet; the others are history. */
export const CLASS_IN = 1;

const NAMES = new Map<number, string>(Object.entries(TYPE).map(([name, type]) => [type, name]));

/** `AAAA`, or `TYPE1234` for a type without a name here (RFC 3597 5). */
export function formatType(type: number): string {
  return NAMES.get(type) ?? `TYPE${type}`;
}

/** The number of `AAAA`, `aaaa` or `TYPE28`. @throws {SyntaxError} for an unknown name */
export function parseType(text: string): number {
  const name = text.toUpperCase();
  const known = (TYPE as Readonly<Record<string, number>>)[name];
  if (known !== undefined) return known;
  const number = Number(/^TYPE(\d{1,5})$/.exec(name)?.[1] ?? NaN);
  if (!(number <= 0xffff)) throw new SyntaxError(`Cannot read a record type: "${text}" is none`);
  return number;
}
