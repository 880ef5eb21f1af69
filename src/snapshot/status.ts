import type { Keeper } from "./keeper.ts";
import type { LinkState } from "./link_port.ts";
import type { StickyIpsState } from "./sticky_ips.ts";

/** What `/status` shows of the module. */
export function snapshotStatus(
  keeper: Keeper,
  { link, nodes, peersAreTold, stickyIps }: {
    link: LinkState;
    nodes: number | undefined;
    peersAreTold: boolean;
    stickyIps: StickyIpsState;
  },
): Record<string, unknown> {
  const { state, newest, failures: { refused, complaints } } = keeper;
  const network = newest?.network;
  return {
    ...state,
    link,
    // Whether other nodes hear of a changed address while the cloud is away.
    peersAreTold,
    stickyIps,
    nodes,
    snapshot: newest && {
      generation: newest.generation,
      takenAt: newest.takenAt,
      links: newest.network.links.map(({ name, mac, local }) => ({ name, mac, local })),
      peers: network?.peers.length,
      pods: network?.pods.length,
    },
    refused: refused.slice(0, 20),
    // Settings that pods need and the agent can't make.
    complaints,
  };
}
