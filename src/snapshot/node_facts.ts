import * as z from "zod/mini";
import { formatIp, parseIp } from "./ipam/ip_address.ts";
import type { Peer } from "./model.ts";

/** What flannel needs to know of a Node (its annotations, and `spec.podCIDRs`). Empty where it is not said. */
export interface NodeFacts {
  name: string;
  podCidrs: string[];
  /** `vxlan`, `host-gw`, … */
  backendType: string;
  publicIp: string;
  publicIpv6: string;
  vtepMac: string;
  vtepMacV6: string;
}

const PREFIX = "flannel.alpha.coreos.com/";

const Node = z.object({
  metadata: z.object({
    name: z.string(),
    annotations: z.optional(z.nullable(z.record(z.string(), z.string()))),
  }),
  spec: z.optional(z.object({
    podCIDR: z.optional(z.string()),
    podCIDRs: z.optional(z.nullable(z.array(z.string()))),
  })),
});

/** Reads a Node (`v1.Node`, decoded JSON). @throws {SyntaxError} when it is none */
export function toNodeFacts(node: unknown): NodeFacts {
  const { data } = Node.safeParse(node);
  if (data === undefined) throw new SyntaxError("Cannot read a Node: it is none");
  const { metadata: { name, annotations }, spec } = data;
  const of = (key: string) => annotations?.[PREFIX + key] ?? "";
  return {
    name,
    podCidrs: spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []),
    backendType: of("backend-type"),
    // Not "public-ip-overwrite": nobody is reached there before the node's own flanneld has taken it over.
    publicIp: addressIn(of("public-ip"), 4),
    publicIpv6: addressIn(of("public-ipv6"), 6),
    vtepMac: vtepMacIn(of("backend-data")),
    vtepMacV6: vtepMacIn(of("backend-v6-data")),
  };
}

/** As the kernel spells it. Each node writes its own annotations: they may be anything, and go into commands. */
function addressIn(text: string, family: 4 | 6): string {
  const address = parseIp(text);
  return address?.family === family ? formatIp(address) : "";
}

/** Of `{"VNI":1,"VtepMAC":"…"}`. */
function vtepMacIn(text: string): string {
  if (text === "" || text === "null") return "";
  try {
    const { VtepMAC: mac } = JSON.parse(text) as { VtepMAC?: unknown };
    return typeof mac === "string" && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)
      ? mac.toLowerCase()
      : "";
  } catch {
    return "";
  }
}

/** A peer as its Node says that it is to be reached now; what the Node does not say stays. */
export function peerOfNode(node: NodeFacts, peer: Peer): Peer {
  const v6 = peer.subnet.includes(":");
  const endpoint = v6 ? node.publicIpv6 : node.publicIp;
  const mac = v6 ? node.vtepMacV6 : node.vtepMac;
  if (peer.kind === "direct") {
    return { ...peer, node: node.name, gateway: endpoint || peer.gateway };
  }
  return {
    ...peer,
    node: node.name,
    endpoint: endpoint || peer.endpoint,
    mac: mac || peer.mac,
  };
}
