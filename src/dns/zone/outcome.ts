import type { ResourceRecord } from "../wire/record.ts";
import { CLASS_IN, TYPE } from "../wire/record_type.ts";
import type { Instance } from "./cluster_service.ts";
import { NO_PORT } from "./service_facts.ts";

/** What there is for a name and a type. `why` is for the person who asks. */
export type Outcome =
  | { state: "records"; answers: ResourceRecord[]; additionals?: ResourceRecord[]; why: string }
  /** The name is another name for `target`, a key, which may lead out of the zone. */
  | { state: "alias"; target: string; why: string }
  /** The name exists, but not with this type (RFC 2308 2.2). */
  | { state: "nodata"; why: string }
  /** The name does not exist: NXDOMAIN. */
  | { state: "missing"; why: string }
  /** Not enough is known to say that the name does not exist. */
  | { state: "unknown"; why: string };

/** An A or AAAA record, by the address. */
export function addressRecord(name: string, address: string, ttlSeconds: number): ResourceRecord {
  const type = isIpv6(address) ? TYPE.AAAA : TYPE.A;
  return { name, type, class: CLASS_IN, ttlSeconds, data: { kind: "address", address } };
}

/** A CNAME, PTR or NS record. */
export function nameRecord(
  name: string,
  type: number,
  target: string,
  ttlSeconds: number,
): ResourceRecord {
  return { name, type, class: CLASS_IN, ttlSeconds, data: { kind: "name", target } };
}

export function isIpv6(address: string): boolean {
  return address.includes(":");
}

/** Whether `address` is one that a record of `type` can hold. */
export function isOfType(address: string, type: number): boolean {
  return type === (isIpv6(address) ? TYPE.AAAA : TYPE.A);
}

/** A or AAAA records, one for each address however often it is there. */
export function addressRecords(
  name: string,
  type: number,
  addresses: Iterable<string>,
  ttlSeconds: number,
): ResourceRecord[] {
  const unique = new Set<string>();
  for (const address of addresses) if (isOfType(address, type)) unique.add(address);
  return [...unique].map((address) => addressRecord(name, address, ttlSeconds));
}

/**
 * SRV records, each once, and the addresses of their targets. The weights are CoreDNS's: a hundred
 * divided by all that there is, duplicates and what has no port included.
 *
 * @param service full name of the Service
 */
export function srvRecords(
  name: string,
  service: string,
  instances: readonly Instance[],
  ttlSeconds: number,
): { answers: ResourceRecord[]; additionals: ResourceRecord[] } {
  const answers = new Map<string, ResourceRecord>();
  const additionals = new Map<string, ResourceRecord>();
  const weight = Math.max(1, Math.floor(100 / instances.length));
  for (const { address, port, label } of instances) {
    if (port === NO_PORT) continue;
    const target = label === "" ? service : `${label}.${service}`;
    const data = { kind: "srv" as const, priority: 0, weight, port, target };
    answers.set(`${target} ${port}`, { name, type: TYPE.SRV, class: CLASS_IN, ttlSeconds, data });
    additionals.set(`${target} ${address}`, addressRecord(target, address, ttlSeconds));
  }
  return { answers: [...answers.values()], additionals: [...additionals.values()] };
}
