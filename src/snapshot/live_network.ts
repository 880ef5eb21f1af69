import { isDirect, peersOf } from "./collect.ts";
import { isFlannelLink, type KernelState, type Network, OWN_PROTOCOL, type Peer } from "./model.ts";
import { parseSubnetEnv, type SubnetEnv } from "./subnet_env.ts";

/**
 * A network with all that flanneld has set since on top: it works, and is newer than any snapshot of an agent
 * that did not run meanwhile. Where flanneld has not set anything in this boot, the network is as it was.
 */
export function withLive(network: Network, kernel: KernelState): Network {
  const routes = kernel.routes.filter(({ protocol }) => protocol !== OWN_PROTOCOL);
  const env = envOf(network);
  // A peer is whole only after flanneld has announced its device as it is now.
  const live = peersOf({ ...kernel, routes }, (route) => isDirect(route, env));
  const used = new Set(live.flatMap(({ kind, link }) => kind === "vxlan" ? [link] : []));
  const links = kernel.links.filter(({ name, up, addresses }) =>
    used.has(name) && up && addresses.length > 0
  );
  if (live.length === 0) return network;
  const replaced = new Set(links.map(({ name }) => familyOf(name)));
  const former = network.links.filter(({ name }) => !replaced.has(familyOf(name)));
  const gone = new Set(
    network.links.map(({ name }) => name)
      .filter((name) => replaced.has(familyOf(name)) && !used.has(name)),
  );
  const peers = new Map<string, Peer>(network.peers.map((peer) => [peer.subnet, peer]));
  for (const peer of live) peers.set(peer.subnet, { ...peer, ...nodeOf(peers.get(peer.subnet)) });
  return {
    ...network,
    links: [
      ...former,
      ...links.map(({ up: _, ...link }) => ({
        ...link,
        ...checksumOf(network.links.find(({ name }) => name === link.name)),
      })),
    ],
    peers: [...peers.values()].filter(({ link }) => !gone.has(link)),
  };
}

/** flannel has one device for each. */
function familyOf(link: string): 4 | 6 {
  return isFlannelLink(link) && link.startsWith("flannel-v6") ? 6 : 4;
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
