/**
 * Nodes of hosts that are not there: what flannel is to know of them is all in their annotations.
 *
 * @module
 */

import type { Cluster } from "../cluster.ts";
import { createNode, type FlannelOptions } from "./flannel.ts";

/** A node as flannel sees it. */
export interface PeerNode {
  readonly name: string;
  readonly podCidrs: readonly string[];
  readonly publicIp: string;
  readonly mac: string;
  readonly mac6: string;
}

/** More have no place in the pods' network beside the hosts' own. */
const MAX_PEERS = 2048;

const LABEL = "edge-agent.test/peer";

/** Creates nodes by the back door, the same ones each time. */
export async function createPeers(
  cluster: Cluster,
  count: number,
  flannel: FlannelOptions,
): Promise<PeerNode[]> {
  if (count > MAX_PEERS) {
    throw new RangeError(`Cannot create ${count} peers: there is room for ${MAX_PEERS}`);
  }
  const peers = Array.from({ length: count }, (_, number) => peerOf(number, flannel));
  for (let at = 0; at < count; at += 50) {
    await Promise.all(peers.slice(at, at + 50).map((peer) => createPeer(cluster, peer, flannel)));
  }
  return peers;
}

/** Deletes all of them. */
export async function deletePeers(cluster: Cluster): Promise<void> {
  const path = `/api/v1/nodes?labelSelector=${encodeURIComponent(LABEL)}`;
  const response = await cluster.fetch(path, { via: "backdoor", method: "DELETE" });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`Cannot delete the peers: ${response.status}`);
}

/** The second half of the pods' network, 16 addresses each. */
function peerOf(number: number, { dualStack = false }: FlannelOptions): PeerNode {
  const [high, low] = [number >> 8, number & 255];
  const first = number * 16;
  const v4 = `10.244.${128 + (first >> 8)}.${first & 255}/28`;
  const v6 = `fd00:244:0:80:${number.toString(16)}::/80`;
  const hex = [high, low].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  return {
    name: `peer-${number}`,
    podCidrs: [v4, ...(dualStack ? [v6] : [])],
    publicIp: `10.208.${high}.${low}`,
    mac: `02:00:04:de:${hex}`,
    mac6: `02:00:06:de:${hex}`,
  };
}

async function createPeer(
  cluster: Cluster,
  { name, podCidrs, publicIp, mac, mac6 }: PeerNode,
  { backend = "vxlan", vni = 1, dualStack = false }: FlannelOptions,
): Promise<void> {
  const publicIp6 = `fd00:208::${publicIp.split(".").slice(2).join(":")}`;
  const isTunnel = backend === "vxlan";
  const dataOf = (VtepMAC: string) => isTunnel ? JSON.stringify({ VNI: vni, VtepMAC }) : "null";
  const flannel = {
    "kube-subnet-manager": "true",
    "backend-type": backend,
    "backend-data": dataOf(mac),
    "public-ip": publicIp,
    ...(dualStack ? { "backend-v6-data": dataOf(mac6), "public-ipv6": publicIp6 } : {}),
  };
  const annotations = Object.fromEntries(
    Object.entries(flannel).map(([key, value]) => [`flannel.alpha.coreos.com/${key}`, value]),
  );
  const addresses = [publicIp];
  await createNode(cluster, { name, podCidrs, addresses, annotations, labels: { [LABEL]: "" } });
}
