import { nameKey, parseName } from "../wire/name.ts";
import { formatIp, parseIp } from "../wire/ip_address.ts";

/** What a `resolv.conf` says (resolv.conf(5)). */
export interface ResolvConf {
  /** IP addresses, as they are written in one way only. */
  nameservers: string[];
  /** Keys of names. */
  search: string[];
}

/** Reads a `resolv.conf`. What is not understood is passed over, as libc does. */
export function parseResolvConf(text: string): ResolvConf {
  const conf: ResolvConf = { nameservers: [], search: [] };
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    const [first] = values;
    if (first === undefined) continue;
    if (keyword === "nameserver") {
      // An address with a zone (`fe80::1%eth0`) can't be asked from here.
      const address = parseIp(first);
      if (address !== undefined) conf.nameservers.push(formatIp(address));
    }
    // Of several lines the last one counts.
    if (keyword === "search") conf.search = values.flatMap(readDomain);
    if (keyword === "domain") conf.search = readDomain(first);
  }
  return conf;
}

function readDomain(text: string): string[] {
  try {
    const name = nameKey(parseName(text));
    return name === "" ? [] : [name];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
}

/**
 * The name servers of the first file that names any that can be asked: never a loopback address, behind
 * which is systemd-resolved's stub or another that may well ask us, and never an address of ours. Those
 * that it passed over are `leftOut`.
 *
 * @param texts the kubelet's `resolvConf` first, then where the real servers may be, such as
 * `/run/systemd/resolve/resolv.conf`
 */
export function chooseNameservers(
  texts: readonly string[],
  ours: readonly string[],
): { nameservers: string[]; leftOut: string[] } {
  const own = new Set(ours.map((address) => formatIp(parseIp(address) ?? [])));
  const leftOut = new Set<string>();
  for (const text of texts) {
    const nameservers = new Set<string>();
    for (const address of parseResolvConf(text).nameservers) {
      (isOfThisHost(address) || own.has(address) ? leftOut : nameservers).add(address);
    }
    if (nameservers.size > 0) return { nameservers: [...nameservers], leftOut: [...leftOut] };
  }
  return { nameservers: [], leftOut: [...leftOut] };
}

function isOfThisHost(address: string): boolean {
  return /^(127\.|0\.)/.test(address) || address === "::1" || address === "::";
}
