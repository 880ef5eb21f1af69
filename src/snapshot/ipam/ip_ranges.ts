import { arrayOf, objectOf, textOf } from "./loose_json.ts";
import { BITS, formatIp, type IpAddress, parseIp } from "./ip_address.ts";

/** Addresses from which one is given to a container: first and last are inclusive. */
export interface IpRange {
  family: 4 | 6;
  start: bigint;
  end: bigint;
  gateway: bigint;
  /** First and last address of the subnet, which nobody gets. */
  network: bigint;
  last: bigint;
}

/** A container gets one address out of each set; a set is one or several ranges of one family. */
export type RangeSet = readonly IpRange[];

/**
 * The range sets of a network config in host-local's order: `runtimeConfig.ipRanges`, the single
 * `ipam.subnet` of old configs, `ipam.ranges`. Empty when there are none or one is not understood: then
 * host-local will say what is wrong.
 */
export function parseRanges(conf: Readonly<Record<string, unknown>>): RangeSet[] {
  const ipam = objectOf(conf.ipam);
  const single = ipam.subnet === undefined ? [] : [[ipam]];
  const sets = [
    ...arrayOf(objectOf(conf.runtimeConfig).ipRanges),
    ...single,
    ...arrayOf(ipam.ranges),
  ].map((set) => arrayOf(set).map((range) => parseRange(objectOf(range))));
  const understood = sets.every((set): set is IpRange[] =>
    set.length > 0 && set.every((range) => range !== undefined)
  );
  return understood ? sets as IpRange[][] : [];
}

function parseRange(range: Readonly<Record<string, unknown>>): IpRange | undefined {
  const [address = "", prefix = ""] = textOf(range.subnet)?.split("/") ?? [];
  const ip = parseIp(address);
  if (ip === undefined || !/^\d{1,3}$/.test(prefix)) return undefined;
  const free = BITS[ip.family] - Number(prefix);
  // As in host-local: a subnet of fewer than four addresses has none to give.
  if (free < 2) return undefined;
  const mask = (1n << BigInt(free)) - 1n;
  const network = ip.value & ~mask;
  const last = network | mask;
  const given = (key: string, otherwise: bigint) => {
    const text = textOf(range[key]);
    if (text === undefined || text === "") return otherwise;
    const address = parseIp(text);
    return address?.family === ip.family ? address.value : undefined;
  };
  const start = given("rangeStart", network + 1n);
  const end = given("rangeEnd", ip.family === 4 ? last - 1n : last);
  const gateway = given("gateway", network + 1n);
  if (start === undefined || end === undefined || gateway === undefined) return undefined;
  return { family: ip.family, start, end, gateway, network, last };
}

/** Whether an address belongs to a set, be it for a container or not. */
export function contains(set: RangeSet, { family, value }: IpAddress): boolean {
  return set.some((range) => range.family === family && range.start <= value && value <= range.end);
}

/** Whether host-local may give this address out of the set. */
export function isUsable(set: RangeSet, ip: IpAddress): boolean {
  return set.some((range) =>
    contains([range], ip) && ip.value !== range.gateway && ip.value !== range.network &&
    (range.family === 6 || ip.value !== range.last)
  );
}

/** How many containers a set serves. */
export function capacityOf(set: RangeSet): bigint {
  return set.reduce((sum, range) => {
    const { start, end, gateway } = range;
    const size = end < start ? 0n : end - start + 1n;
    return sum + (start <= gateway && gateway <= end ? size - 1n : size);
  }, 0n);
}

/** The given address texts in host-local's spelling, without those that are none, each once. */
export function canonicalIps(texts: readonly string[]): string[] {
  const ips = texts.map(parseIp).filter((ip) => ip !== undefined);
  return [...new Set(ips.map(formatIp))];
}
