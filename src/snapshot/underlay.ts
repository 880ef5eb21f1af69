import { containsAddress, parseCidr } from "../config/cidr.ts";
import type { DesiredState } from "./plan.ts";
import {
  type Interface,
  type InterfaceAddress,
  isFlannelLink,
  type Network,
  type Peer,
  type VxlanLink,
} from "./model.ts";

/** Bytes that vxlan adds to a packet: outer Ethernet, IP and UDP headers, and its own. */
const OVERHEAD_BYTES = { 4: 50, 6: 70 };

/** How the interface that a vxlan device stands on was found again. */
export type UnderlayChange =
  | { change: "renamed"; from: string; to: string }
  /** DHCP gave another address: the other nodes don't know it yet. */
  | { change: "readdressed"; from: string; to: string };

/** Where a vxlan device can stand now. */
export type Footing =
  | { state: "ready"; underlay: string; local: string; mtu: number; changes: UnderlayChange[] }
  /** Not as it was, or not at all: it may still come. */
  | { state: "waiting"; why: string };

/** Whether there still is time to wait for the interface to be as it was. */
export type Patience = "some" | "none";

/**
 * Finds the interface for a vxlan device: the one that has the saved address, else the one of the saved
 * name, else the one with the saved MAC. Without patience left, one that has another address or none is
 * taken as it is; only where there is no interface at all the answer stays "waiting".
 */
export function findFooting(
  link: VxlanLink,
  network: Pick<Network, "underlays">,
  interfaces: readonly Interface[],
  patience: Patience,
): Footing {
  const saved = network.underlays.find(({ name }) => name === link.underlay);
  const candidates = interfaces.filter(canCarry);
  const withAddress = candidates.find(({ addresses }) =>
    addresses.some(({ address }) => address === link.local)
  );
  const found = withAddress ??
    candidates.find(({ name }) => name === link.underlay) ??
    candidates.find(({ mac }) => saved !== undefined && saved.mac !== "" && mac === saved.mac);
  if (found === undefined) {
    return {
      state: "waiting",
      why: `there is no interface "${link.underlay}", nor one with its address ${link.local}` +
        (saved?.mac ? ` or its MAC ${saved.mac}` : ""),
    };
  }
  const family = link.local.includes(":") ? 6 : 4;
  const mtu = Math.min(link.mtu, found.mtu - OVERHEAD_BYTES[family]);
  const changes: UnderlayChange[] = found.name === link.underlay
    ? []
    : [{ change: "renamed", from: link.underlay, to: found.name }];
  if (withAddress !== undefined) {
    return { state: "ready", underlay: found.name, local: link.local, mtu, changes };
  }
  if (patience === "some") {
    return { state: "waiting", why: `${found.name} does not have the address ${link.local} yet` };
  }
  const other = found.addresses.find((each) =>
    each.family === family && each.scope === "global" && each.passing === undefined
  );
  if (other === undefined) {
    // No carrier, or nobody who gives addresses: flannel's device works as soon as the address is back.
    return { state: "ready", underlay: found.name, local: link.local, mtu, changes };
  }
  changes.push({ change: "readdressed", from: link.local, to: other.address });
  return { state: "ready", underlay: found.name, local: other.address, mtu, changes };
}

/** Devices of the pods' own network can't carry it. */
function canCarry({ name, kind }: Interface): boolean {
  return name !== "lo" && kind !== "vxlan" && !isFlannelLink(name) && !/^cni\d+$/.test(name);
}

/** What a network can be now, and what it waits for. */
export interface Fitting {
  desired: DesiredState;
  changes: UnderlayChange[];
  /** Why links are left out for now. */
  waiting: string[];
}

/** Fits a network to the interfaces that the host has now. What has no footing is left out. */
export function fitNetwork(
  network: Pick<Network, "underlays" | "links" | "peers">,
  interfaces: readonly Interface[],
  patience: Patience,
): Fitting {
  const fitting: Fitting = { desired: { links: [], peers: [] }, changes: [], waiting: [] };
  const links: VxlanLink[] = [];
  for (const link of network.links) {
    const footing = findFooting(link, network, interfaces, patience);
    if (footing.state === "waiting") {
      fitting.waiting.push(`${link.name}: ${footing.why}`);
      continue;
    }
    const { underlay, local, mtu, changes } = footing;
    links.push({ ...link, underlay, local, mtu });
    fitting.changes.push(...changes);
  }
  const there = new Set([...interfaces, ...links].map(({ name }) => name));
  const peers: Peer[] = [];
  for (const peer of network.peers) {
    const link = peer.kind === "direct" ? directLink(peer, network, interfaces) : peer.link;
    if (peer.kind === "vxlan" && !links.some(({ name }) => name === link)) continue;
    if (!there.has(link)) continue;
    peers.push({ ...peer, link });
  }
  fitting.desired = { links, peers };
  return fitting;
}

/** The interface of a route without a vxlan device, which may have another name by now. */
function directLink(
  { link, gateway }: Peer,
  { underlays }: Pick<Network, "underlays">,
  interfaces: readonly Interface[],
): string {
  if (interfaces.some(({ name }) => name === link)) return link;
  const candidates = interfaces.filter(canCarry);
  // A VLAN has the MAC of its card, and a new card another one: first of all the next hop must be near.
  const isNear = ({ address, prefixLength }: InterfaceAddress) =>
    containsAddress(parseCidr(`${address}/${prefixLength}`, { hostBits: "ignored" }), gateway);
  const mac = underlays.find(({ name }) => name === link)?.mac;
  return candidates.find(({ addresses }) => addresses.some(isNear))?.name ??
    candidates.find((each) => mac && each.mac === mac)?.name ?? link;
}
