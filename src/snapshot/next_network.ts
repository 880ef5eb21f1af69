import type { Observation } from "./collect.ts";
import { doubtLinks, isGivenUp, type OwnFacts } from "./doubt.ts";
import { peersOver } from "./link_family.ts";
import { isFlannelLink, type Network, type Peer, type VxlanLink } from "./model.ts";
import { type NodeFacts, peerOfNode } from "./node_facts.ts";
import { nextSettings } from "./settings.ts";

/** What the cluster's Nodes say, as far as it is known. */
export type NodeKnowledge =
  /** Asked while the link was up: a node that is not in it does not exist. */
  | { state: "fresh"; nodes: readonly NodeFacts[] }
  /** From the cache: what it says was so once. */
  | { state: "stale"; nodes: readonly NodeFacts[] }
  | { state: "unknown" };

/** What becomes of a snapshot. */
export type Succession =
  | { state: "take"; network: Network }
  /** The network is not as it should be: the former snapshot is better. */
  | { state: "keep"; why: string };

/**
 * Decides what to keep of a network as it is now, beside what was kept last. What works is never given up for
 * what does not: a device that is gone, a MAC that the cluster does not know, a network without its
 * `subnet.env`. Peers go only when the cluster says so.
 *
 * @param own name of this Node
 */
export function nextNetwork(
  former: Network | undefined,
  { network, kernel, missing }: Observation,
  known: NodeKnowledge,
  own: string,
): Succession {
  const self = ownFacts(known, own);
  const doubt = doubtLinks(former, network, kernel, self) ??
    (network.subnetEnv === undefined
      ? `there is no usable subnet.env: ${missing.subnetEnv ?? "flanneld has not written it yet"}`
      : undefined);
  if (doubt !== undefined) return { state: "keep", why: doubt };
  const isLasting = ({ name }: { name: string }) => !isGivenUp(name, network, self);
  const links = network.links.filter(isLasting);
  const down = kernel.links.find((each) => isFlannelLink(each.name) && !each.up && isLasting(each));
  if (down !== undefined) return { state: "keep", why: `${down.name} is down` };
  const bare = links.find(({ addresses }) => addresses.length === 0);
  if (bare !== undefined) return { state: "keep", why: `${bare.name} has no address` };
  return {
    state: "take",
    network: {
      ...network,
      links: links.map((link) => withFormerMtu(link, network, former)),
      peers: peersOver(links, mergePeers(former?.peers ?? [], network.peers, known, own)),
      ...(former && nextSettings(former, network, known.state === "fresh")),
      podCidrs: self?.facts.podCidrs ?? former?.podCidrs ?? [],
      ...keptParts(former, missing),
    },
  };
}

/**
 * A device that was restored on a card which was not yet as wide as before is as narrow as that. When flanneld gives
 * its devices another MTU, it says so in `subnet.env`, from which pods have theirs.
 */
function withFormerMtu(link: VxlanLink, seen: Network, former: Network | undefined): VxlanLink {
  const before = former?.links.find(({ name }) => name === link.name);
  if (before === undefined || before.mtu <= link.mtu || former?.subnetEnv !== seen.subnetEnv) {
    return link;
  }
  return { ...link, mtu: before.mtu };
}

/** Parts that could not be read are as they were. */
function keptParts(
  former: Network | undefined,
  missing: Observation["missing"],
): Partial<Network> {
  if (former === undefined) return {};
  const parts = Object.keys(missing) as (keyof Network)[];
  return Object.fromEntries(parts.map((part) => [part, former[part]]));
}

function ownFacts(known: NodeKnowledge, own: string): OwnFacts | undefined {
  if (known.state === "unknown") return undefined;
  const facts = known.nodes.find(({ name }) => name === own);
  return facts && { facts, isFresh: known.state === "fresh" };
}

/**
 * What is seen wins over what was kept, and what the cluster says now wins over both. Only the cluster can say
 * that a peer is gone: one that is not seen may be about to be set.
 */
function mergePeers(
  former: readonly Peer[],
  seen: readonly Peer[],
  known: NodeKnowledge,
  own: string,
): Peer[] {
  const merged = new Map<string, Peer>();
  for (const peer of [...former, ...seen]) {
    const node = peer.node ?? merged.get(peer.subnet)?.node;
    merged.set(peer.subnet, node === undefined ? peer : { ...peer, node });
  }
  if (known.state === "unknown") return sorted(merged);
  const others = known.nodes.filter(({ name }) => name !== own);
  const claimed = new Set<string>();
  for (const node of others) {
    for (const subnet of node.podCidrs) {
      claimed.add(subnet);
      const peer = merged.get(subnet);
      if (peer === undefined) continue;
      const named = { ...peer, node: node.name };
      merged.set(subnet, known.state === "fresh" ? peerOfNode(node, named) : named);
    }
  }
  if (known.state === "fresh") {
    for (const subnet of merged.keys()) if (!claimed.has(subnet)) merged.delete(subnet);
  }
  return sorted(merged);
}

function sorted(peers: ReadonlyMap<string, Peer>): Peer[] {
  return [...peers.values()].sort((a, b) => a.subnet < b.subnet ? -1 : 1);
}
