import { peersOf } from "./collect.ts";
import { type KernelState, OWN_PROTOCOL, type Peer } from "./model.ts";
import { type NodeFacts, peerOfNode } from "./node_facts.ts";
import type { Operation } from "./operation.ts";
import { plan } from "./plan.ts";

/**
 * The steps that make the entries which the agent set, and nobody has taken over since, what the cluster's Nodes
 * say: those of vanished nodes go, changed MACs and addresses are put right. What others set stays untouched.
 *
 * @param nodes all that there are, asked while the link was up
 * @param own name of this Node
 */
export function planReconcile(
  kernel: KernelState,
  nodes: readonly NodeFacts[],
  own: string,
): Operation[] {
  const bySubnet = new Map(
    nodes.filter(({ name }) => name !== own)
      .flatMap((node) => node.podCidrs.map((subnet) => [subnet, node] as const)),
  );
  const routes = kernel.routes.filter(({ protocol }) => protocol === OWN_PROTOCOL);
  const peers = peersOf({ ...kernel, routes }, () => true).flatMap((peer): Peer[] => {
    const node = bySubnet.get(peer.subnet);
    return node === undefined ? [] : [peerOfNode(node, peer)];
  });
  // Of the agent's own routes some may lack their neighbour: the plan leaves those alone, too.
  const whole = new Set(peers.map(({ subnet }) => subnet));
  const ours = routes.filter(({ subnet }) => whole.has(subnet) || !bySubnet.has(subnet));
  return plan({ ...kernel, routes: ours }, { links: [], peers });
}
