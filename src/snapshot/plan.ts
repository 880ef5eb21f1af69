import type {
  FdbEntry,
  KernelState,
  Neighbour,
  ObservedLink,
  Peer,
  Route,
  VxlanLink,
} from "./model.ts";
import { OWN_PROTOCOL } from "./model.ts";
import type { Operation } from "./operation.ts";

/** What shall be there, and what else of ours may stay. */
export interface DesiredState {
  links: readonly VxlanLink[];
  peers: readonly Peer[];
}

/**
 * The steps that lead from `current` to `desired`; none when all is as it should be. Only what the agent
 * set itself is taken away (routes marked {@linkcode OWN_PROTOCOL}, and what belongs to them).
 */
export function plan(current: KernelState, desired: DesiredState): Operation[] {
  const emptied: Emptied = new Map();
  const operations: Operation[] = [];
  for (const link of desired.links) operations.push(...planLink(current, link, emptied));
  const tables = withoutEmptied(current, emptied);
  // What is flushed on the way still tells which FDB entries belong to whom.
  const known = new Map(current.neighbours.map((each) => [neighbourKey(each), each]));
  operations.push(...planPeers(tables, known, desired.peers));
  operations.push(...planRemovals(current.routes, tables, known, desired.peers));
  return operations;
}

/** Whether flanneld and the kernel would take a device for the same one (flannel's `vxlanLinksIncompat`). */
export function isCompatible(observed: ObservedLink, link: VxlanLink): boolean {
  return observed.vni === link.vni && observed.port === link.port &&
    observed.local === link.local && observed.underlay === link.underlay &&
    observed.learning === link.learning && observed.gbp === link.gbp;
}

type Table = "neighbours" | "fdb" | "routes";

/** The tables that a plan empties on its way, by link. */
type Emptied = Map<string, readonly Table[]>;

/** The kernel flushes them, permanent entries as well. */
const EMPTIED_BY = {
  newDevice: ["neighbours", "fdb", "routes"],
  newMac: ["neighbours"],
  // Of the last address; to set again what stayed does no harm.
  noAddress: ["neighbours", "routes"],
} as const;

function planLink(current: KernelState, link: VxlanLink, emptied: Emptied): Operation[] {
  const { name } = link;
  const there = current.links.find((each) => each.name === name);
  const taken = there !== undefined || current.interfaces.some((each) => each.name === name);
  if (there === undefined || !isCompatible(there, link)) {
    emptied.set(name, EMPTIED_BY.newDevice);
    return [
      ...(taken ? [{ do: "link-delete" as const, link: name }] : []),
      { do: "link-add", link },
      ...link.addresses.map((address) => ({ do: "address-replace" as const, link: name, address })),
      { do: "link-up", link: name },
    ];
  }
  const operations: Operation[] = [];
  if (there.mac !== link.mac) {
    emptied.set(name, EMPTIED_BY.newMac);
    operations.push({ do: "link-mac", link: name, mac: link.mac });
  }
  if (there.mtu !== link.mtu) operations.push({ do: "link-mtu", link: name, mtu: link.mtu });
  for (const address of there.addresses) {
    // flanneld refuses a device with an address besides its own.
    if (!link.addresses.includes(address)) {
      emptied.set(name, EMPTIED_BY.noAddress);
      operations.push({ do: "address-delete", link: name, address });
    }
  }
  for (const address of link.addresses) {
    if (!there.addresses.includes(address)) {
      operations.push({ do: "address-replace", link: name, address });
    }
  }
  if (!there.up) operations.push({ do: "link-up", link: name });
  return operations;
}

function withoutEmptied(current: KernelState, emptied: Emptied): KernelState {
  if (emptied.size === 0) return current;
  const stays = (table: Table) => ({ link }: { link: string }) =>
    !emptied.get(link)?.includes(table);
  return {
    ...current,
    neighbours: current.neighbours.filter(stays("neighbours")),
    fdb: current.fdb.filter(stays("fdb")),
    routes: current.routes.filter(stays("routes")),
  };
}

type Neighbours = ReadonlyMap<string, Neighbour>;

function planPeers(
  current: KernelState,
  known: Neighbours,
  peers: readonly Peer[],
): Operation[] {
  const neighbours = new Map(current.neighbours.map((each) => [neighbourKey(each), each.mac]));
  const fdb = new Set(current.fdb.map(fdbKey));
  const macs = new Set(peers.flatMap((each) => each.kind === "vxlan" ? [macKey(each)] : []));
  const routes = new Map(current.routes.map((each) => [each.subnet, each]));
  const operations: Operation[] = [];
  for (const peer of peers) {
    const { link, gateway, subnet } = peer;
    const onlink = peer.kind === "vxlan";
    if (peer.kind === "vxlan") {
      const { mac, endpoint } = peer;
      const neighbour = { link, address: gateway, mac };
      const key = neighbourKey(neighbour);
      if (neighbours.get(key) !== mac) operations.push({ do: "neighbour-replace", neighbour });
      if (!fdb.has(fdbKey({ link, mac, endpoint }))) {
        operations.push({ do: "fdb-replace", entry: { link, mac, endpoint } });
      }
      // Nobody asks for the MAC that it had before.
      const former = known.get(key);
      if (former !== undefined && former.mac !== mac && !macs.has(macKey(former))) {
        operations.push(...fdbDeletes(current, former));
      }
    }
    const route = routes.get(subnet);
    if (
      route === undefined || route.gateway !== gateway || route.link !== link ||
      route.onlink !== onlink
    ) operations.push({ do: "route-replace", route: { subnet, gateway, link, onlink } });
  }
  return operations;
}

/**
 * Takes away what the agent set for nodes that are no peers any more, or are reached in another way.
 *
 * @param routes as they are before anything is emptied: they say what is the agent's
 */
function planRemovals(
  routes: readonly Route[],
  current: KernelState,
  known: Neighbours,
  peers: readonly Peer[],
): Operation[] {
  const hops = new Map(peers.map((each) => [each.subnet, hopKey(each)]));
  const hopsInUse = new Set(hops.values());
  const macs = new Set(peers.flatMap((each) => each.kind === "vxlan" ? [macKey(each)] : []));
  const there = new Set([
    ...current.routes.map(({ subnet }) => subnet),
    ...current.neighbours.map(neighbourKey),
  ]);
  const operations: Operation[] = [];
  for (const route of routes) {
    if (route.protocol !== OWN_PROTOCOL || hops.get(route.subnet) === hopKey(route)) continue;
    if (there.has(route.subnet) && !hops.has(route.subnet)) {
      operations.push({ do: "route-delete", route });
    }
    const neighbour = known.get(hopKey(route));
    if (neighbour === undefined || hopsInUse.has(hopKey(route))) continue;
    if (there.has(hopKey(route))) operations.push({ do: "neighbour-delete", neighbour });
    if (!macs.has(macKey(neighbour))) operations.push(...fdbDeletes(current, neighbour));
  }
  return operations;
}

function fdbDeletes(current: KernelState, { link, mac }: Neighbour): Operation[] {
  return current.fdb.filter((each) => each.link === link && each.mac === mac)
    .map((entry) => ({ do: "fdb-delete", entry }));
}

function neighbourKey({ link, address }: Neighbour): string {
  return `${link} ${address}`;
}

/** The {@linkcode neighbourKey} of a next hop. */
function hopKey({ link, gateway }: { link: string; gateway: string }): string {
  return `${link} ${gateway}`;
}

function macKey({ link, mac }: { link: string; mac: string }): string {
  return `${link} ${mac}`;
}

function fdbKey({ link, mac, endpoint }: FdbEntry): string {
  return `${link} ${mac} ${endpoint}`;
}
