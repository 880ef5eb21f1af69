/**
 * Reading what `ip -j` and `bridge -j` print (iproute2 4.19 and later), loosely: only the fields used.
 *
 * @module
 */

import * as z from "zod/mini";
import type { FdbEntry, Interface, Neighbour, ObservedLink, Route } from "./model.ts";

/** The first release whose JSON and batches do all that is asked of it. */
export const MIN_IPROUTE2 = "4.19";

const Link = z.object({
  ifname: z.string(),
  mtu: z.number(),
  flags: z.prefault(z.array(z.string()), []),
  address: z.prefault(z.string(), ""),
  txqlen: z.prefault(z.number(), 1000),
  linkinfo: z.optional(z.object({
    info_kind: z.optional(z.string()),
    info_data: z.optional(z.record(z.string(), z.unknown())),
  })),
});

const Address = z.object({
  ifname: z.optional(z.string()),
  addr_info: z.prefault(
    z.array(z.object({
      family: z.optional(z.string()),
      local: z.optional(z.string()),
      prefixlen: z.optional(z.number()),
      scope: z.prefault(z.string(), "global"),
      temporary: z.optional(z.boolean()),
      deprecated: z.optional(z.boolean()),
      dadfailed: z.optional(z.boolean()),
    })),
    [],
  ),
});

const Neigh = z.object({
  dst: z.string(),
  dev: z.optional(z.string()),
  lladdr: z.optional(z.string()),
  state: z.prefault(z.array(z.string()), []),
});

const Fdb = z.object({
  mac: z.string(),
  dst: z.optional(z.string()),
  ifname: z.optional(z.string()),
  state: z.prefault(z.string(), ""),
});

const RouteEntry = z.object({
  dst: z.string(),
  gateway: z.optional(z.string()),
  dev: z.optional(z.string()),
  protocol: z.prefault(z.string(), ""),
  flags: z.prefault(z.array(z.string()), []),
});

/**
 * Reads one JSON list that a command printed. Some releases print nothing for an empty list, and empty
 * objects for what was filtered out.
 *
 * @throws {SyntaxError} naming the command
 */
function readList<T>(text: string, entry: z.ZodMiniType<T>, command: string): T[] {
  if (text.trim() === "") return [];
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw new SyntaxError(
      `Cannot read what "${command}" printed: it is no JSON (iproute2 ${MIN_IPROUTE2} or later is needed)`,
    );
  }
  if (!Array.isArray(data)) {
    throw new SyntaxError(`Cannot read what "${command}" printed: it is no list`);
  }
  return data.filter((each) => !isEmpty(each)).map((each) => {
    const { success, data, error } = entry.safeParse(each);
    if (success) return data;
    const [issue] = error.issues;
    throw new SyntaxError(
      `Cannot read what "${command}" printed: ${issue?.path.join(".")} is ${issue?.message}`,
    );
  });
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** The interfaces and the vxlan devices among them, from `ip -j -d link show` and `ip -j address show`. */
export function parseInterfaces(
  linkText: string,
  addressText: string,
): { interfaces: Interface[]; links: ObservedLink[] } {
  const links = readList(linkText, Link, "ip -j -d link show");
  const addresses = new Map(
    readList(addressText, Address, "ip -j address show").map((each) => [
      each.ifname ?? "",
      each.addr_info.flatMap(({ family, local, prefixlen, scope, ...flags }) =>
        local === undefined || prefixlen === undefined ? [] : [{
          family: family === "inet6" ? 6 as const : 4 as const,
          address: local,
          prefixLength: prefixlen,
          scope,
          ...((flags.temporary || flags.deprecated || flags.dadfailed) &&
            { passing: true as const }),
        }]
      ),
    ]),
  );
  const interfaces = links.map((link): Interface => ({
    name: link.ifname,
    mac: link.address,
    mtu: link.mtu,
    up: link.flags.includes("UP"),
    kind: link.linkinfo?.info_kind ?? "",
    addresses: addresses.get(link.ifname) ?? [],
  }));
  const vxlans = links.flatMap((link, i): ObservedLink[] => {
    if (link.linkinfo?.info_kind !== "vxlan") return [];
    const data = link.linkinfo.info_data ?? {};
    return [{
      name: link.ifname,
      mac: link.address,
      mtu: link.mtu,
      up: interfaces[i]!.up,
      txQueueLength: link.txqlen,
      vni: Number(data.id),
      port: Number(data.port),
      local: String(data.local ?? data.local6 ?? ""),
      underlay: String(data.link ?? ""),
      learning: data.learning !== false,
      gbp: data.gbp === true,
      // The kernel adds a link-local address by itself.
      addresses: interfaces[i]!.addresses.filter(({ scope }) => scope === "global")
        .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    }];
  });
  return { interfaces, links: vxlans };
}

/** Permanent neighbours, from `ip -j [-6] neigh show`. */
export function parseNeighbours(text: string): Neighbour[] {
  return readList(text, Neigh, "ip -j neigh show").flatMap(({ dst, dev = "", lladdr, state }) =>
    state.includes("PERMANENT") && lladdr !== undefined
      ? [{ link: dev, address: dst, mac: lladdr }]
      : []
  );
}

/** The entries that name a VTEP, from `bridge -j fdb show`. */
export function parseFdb(text: string): FdbEntry[] {
  return readList(text, Fdb, "bridge -j fdb show").flatMap(({ mac, dst, ifname, state }) =>
    dst !== undefined && ifname !== undefined && state === "permanent"
      ? [{ link: ifname, mac, endpoint: dst }]
      : []
  );
}

/** Routes with a next hop, from `ip -j [-6] route show table main`. */
export function parseRoutes(text: string): Route[] {
  return readList(text, RouteEntry, "ip -j route show").flatMap((route) => {
    const { dst, gateway, dev, protocol, flags } = route;
    if (gateway === undefined || dev === undefined || dst === "default") return [];
    return [{
      subnet: dst.includes("/") ? dst : `${dst}/${dst.includes(":") ? 128 : 32}`,
      gateway,
      link: dev,
      onlink: flags.includes("onlink"),
      protocol,
      dead: flags.includes("dead") || flags.includes("linkdown"),
    }];
  });
}

/**
 * The release of iproute2 that `ip -V` names, e.g. `6.1.0`; older ones are named by a date (`ss180813`).
 * Undefined for anything that is not iproute2, such as BusyBox.
 */
export function parseIprouteVersion(text: string): string | undefined {
  return /\biproute2-(?:ss)?(\d[\d.]*)/.exec(text)?.[1];
}

/** Whether a release is {@linkcode MIN_IPROUTE2} or later. A date stands for the release of its day. */
export function isRecentEnough(version: string): boolean {
  // 4.19 is of 2018-10-22; dates have two digits for the year.
  if (/^\d{6}$/.test(version)) return Number(version) >= 181022;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 4 || major === 4 && minor >= 19;
}
