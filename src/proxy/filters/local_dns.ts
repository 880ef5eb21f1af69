import { formatJson, parseJson, scanObject, spliceBytes } from "../../kube/codec/json.ts";
import type { LocalDnsConfig } from "../config.ts";
import type { Filter } from "./filter.ts";

/** The label by which a slice names its Service. */
const SERVICE_NAME = "kubernetes.io/service-name";
/** Where the node's own server listens: a slice of other ports would lead to nobody. */
const DNS_PORT = 53;

/**
 * `local-dns`: every EndpointSlice of the cluster's DNS Service has one endpoint, the server on this node; those
 * of the other address family have none. (kube-apiserver refuses link-local endpoints, so it is done on the way.)
 */
export function createLocalDns(config: LocalDnsConfig): Filter {
  const { address, service, identities } = config;
  const [namespace, name] = service.split("/");
  const family = address.includes(":") ? "IPv6" : "IPv4";
  // Without a node and zones: there is nothing by which kube-proxy could leave it out.
  const endpoint = {
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
  };
  const [own, none] = [formatJson([endpoint]), formatJson([])];
  return {
    name: "localDns",
    fingerprint: `localDns ${address} ${service}`,
    identities,
    covers: ({ group, resource }) => group === "discovery.k8s.io" && resource === "endpointslices",
    show(object) {
      try {
        const fields = scanObject(object);
        const read = (key: string): unknown => {
          const range = fields.get(key);
          return range && parseJson(object.subarray(...range));
        };
        const metadata = read("metadata") as Metadata;
        if (metadata?.namespace !== namespace) return object;
        if (metadata?.labels?.[SERVICE_NAME] !== name) return object;
        const endpoints = fields.get("endpoints");
        // Metadata alone, a bookmark, or a slice that has yet to be told what it is for.
        if (endpoints === undefined || !hasDnsPort(read("ports"))) return object;
        return spliceBytes(object, endpoints, read("addressType") === family ? own : none);
      } catch (error) {
        if (error instanceof SyntaxError) return object;
        throw error;
      }
    },
  };
}

/** What is read of the metadata, if they are as they should be. */
type Metadata = { namespace?: unknown; labels?: Record<string, unknown> | null } | null | undefined;

function hasDnsPort(ports: unknown): boolean {
  return Array.isArray(ports) && ports.some((port) => port?.port === DNS_PORT);
}
