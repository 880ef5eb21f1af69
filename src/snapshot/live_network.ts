import { isSame } from "../kernel/is_same.ts";
import { isDirect, peersOf } from "./collect.ts";
import { familyOf, peersOver } from "./link_family.ts";
import {
  type KernelState,
  type Network,
  type ObservedLink,
  OWN_PROTOCOL,
  type Peer,
} from "./model.ts";
import { parseSubnetEnv, type SubnetEnv } from "./subnet_env.ts";

/**
 * A network with all that flanneld has set since on top: it works, and is newer than any snapshot of an agent
 * that did not run meanwhile. Where flanneld has not set anything in this boot, the network is as it was.
 *
 * @param since the kernel when the network was taken: what is as it was then is older than what the network says
 */
export function withLive(network: Network, kernel: KernelState, since?: KernelState): Network {
  const env = envOf(network);
  const live = flanneldsOwn(kernel, env);
  if (live.peers.length === 0) return network;
  const before = since && flanneldsOwn(since, env);
  const replaced = new Set(live.links.map(({ name }) => familyOf(name)));
  const links = [
    ...network.links.filter(({ name }) => !replaced.has(familyOf(name))),
    ...live.links.map((link) => {
      const kept = network.links.find(({ name }) => name === link.name);
      const former = before?.links.find(({ name }) => name === link.name);
      if (kept !== undefined && isSame(link, former)) return kept;
      const { up: _, ...now } = link;
      return { ...now, ...checksumOf(kept) };
    }),
  ];
  const former = new Map(before?.peers.map((peer) => [peer.subnet, peer]));
  const peers = new Map(network.peers.map((peer) => [peer.subnet, peer]));
  for (const peer of live.peers) {
    if (isSame(peer, former.get(peer.subnet))) continue;
    peers.set(peer.subnet, { ...peer, ...nodeOf(peers.get(peer.subnet)) });
  }
  return { ...network, links, peers: peersOver(links, [...peers.values()]) };
}

/** What of a kernel flanneld has set, and nobody else. */
function flanneldsOwn(
  kernel: KernelState,
  env: SubnetEnv | undefined,
): { links: ObservedLink[]; peers: Peer[] } {
  const routes = kernel.routes.filter(({ protocol }) => protocol !== OWN_PROTOCOL);
  // A peer is whole only after flanneld has announced its device as it is now.
  const peers = peersOf({ ...kernel, routes }, (route) => isDirect(route, env));
  const used = new Set(peers.flatMap(({ kind, link }) => kind === "vxlan" ? [link] : []));
  const links = kernel.links.filter(({ name, up, addresses }) =>
    used.has(name) && up && addresses.length > 0
  );
  return { links, peers };
}

function nodeOf(former: Peer | undefined): Pick<Peer, "node"> {
  return former?.node === undefined ? {} : { node: former.node };
}

function checksumOf(former: { txChecksum?: boolean } | undefined): { txChecksum?: boolean } {
  return former?.txChecksum === undefined ? {} : { txChecksum: former.txChecksum };
}

function envOf({ subnetEnv }: Network): SubnetEnv | undefined {
  try {
    return subnetEnv === undefined ? undefined : parseSubnetEnv(subnetEnv);
  } catch {
    return undefined;
  }
}
