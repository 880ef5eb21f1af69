import { containsNetwork, parseCidr } from "../config/cidr.ts";
import { parseIp } from "./ipam/ip_address.ts";
import type { Network, Peer } from "./model.ts";

/** How another node of the site is to be reached from now on. */
export interface PeerNotice {
  node: string;
  podCidrs: string[];
  /** Its VTEPs: one per family that it has. */
  vteps: { mac: string; endpoint: string }[];
}

/**
 * How nodes of a site tell each other of a changed LAN address or MAC while the cloud can't, as a port. Without a
 * provider the others learn it when the cloud is back.
 */
export interface PeerNotices {
  /** Tells the others about this node. */
  announce(notice: PeerNotice): void;
  /** Calls `listener` with what others tell, once it is proven to be theirs; the result ends it. */
  subscribe(listener: (notice: PeerNotice) => void): () => void;
}

/** A network in which the peers of a notice are where it says. It adds no peer: who is one, the cluster says. */
export function applyNotice(network: Network, { node, podCidrs, vteps }: PeerNotice): Network {
  const cidrs = podCidrs.map((text) => parseCidr(text, { hostBits: "ignored" }));
  const peers = network.peers.map((peer): Peer => {
    const subnet = parseCidr(peer.subnet, { hostBits: "ignored" });
    if (!cidrs.some((cidr) => containsNetwork(cidr, subnet))) return peer;
    if (peer.node !== undefined && peer.node !== node) return peer;
    const vtep = vteps.find((each) => each.endpoint.includes(":") === peer.gateway.includes(":"));
    if (vtep === undefined || !isVtep(vtep)) return peer;
    if (peer.kind === "direct") return { ...peer, gateway: vtep.endpoint };
    return { ...peer, mac: vtep.mac, endpoint: vtep.endpoint };
  });
  return { ...network, peers };
}

/** It goes into commands: a node that is known may have fallen into wrong hands. */
function isVtep({ mac, endpoint }: PeerNotice["vteps"][number]): boolean {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && parseIp(endpoint) !== undefined;
}

/** What the others need to know of this node. */
export function noticeOf(network: Network, node: string): PeerNotice {
  return {
    node,
    podCidrs: network.podCidrs,
    vteps: network.links.map(({ mac, local }) => ({ mac, endpoint: local })),
  };
}
