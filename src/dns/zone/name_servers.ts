import type { ClusterState } from "./cluster_state.ts";
import { endpointLabel } from "./endpoint_slice_facts.ts";
import type { ZoneOptions } from "./zone_options.ts";

/** What the zone's own name server is called unless a Service leads to it. */
export const NAME_SERVER = "ns.dns";

/**
 * The zone's name servers with an address each: the Services that this server is an endpoint of, else the
 * server itself.
 */
export function nameServersOf(
  state: ClusterState<unknown>,
  { zone, nameServers, endpointPodNames }: ZoneOptions,
): { name: string; address: string }[] {
  const found = nameServers.flatMap((own) =>
    state.slicesAt(own).flatMap(({ namespace, service, endpoints }) => {
      const facts = state.service(namespace, service)?.facts;
      if (facts === undefined || facts.kind === "external") return [];
      const name = `${service}.${namespace}.svc.${zone}`;
      if (facts.kind === "cluster") return facts.clusterIps.map((address) => ({ name, address }));
      return endpoints.map((endpoint) => ({
        name: `${endpointLabel(endpoint, endpointPodNames)}.${name}`,
        address: endpoint.address,
      }));
    })
  );
  const servers = found.length > 0
    ? found
    : nameServers.map((address) => ({ name: `${NAME_SERVER}.${zone}`, address }));
  const unique = new Map(servers.map((server) => [`${server.name} ${server.address}`, server]));
  return [...unique.values()];
}
