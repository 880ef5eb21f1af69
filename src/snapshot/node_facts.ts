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
  /** Of the device with that MAC; undefined where it is not said. */
  vni?: number;
  vniV6?: number;
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
  const [vtep, vtepV6] = [vtepIn(of("backend-data")), vtepIn(of("backend-v6-data"))];
  return {
    name,
    podCidrs: spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []),
    backendType: of("backend-type"),
    // Not "public-ip-overwrite": nobody is reached there before the node's own flanneld has taken it over.
    publicIp: addressIn(of("public-ip"), 4),
    publicIpv6: addressIn(of("public-ipv6"), 6),
    vtepMac: vtep.mac,
    vtepMacV6: vtepV6.mac,
    ...(vtep.vni !== undefined && { vni: vtep.vni }),
    ...(vtepV6.vni !== undefined && { vniV6: vtepV6.vni }),
  };
}

/** As the kernel spells it. Each node writes its own annotations: they may be anything, and go into commands. */
function addressIn(text: string, family: 4 | 6): string {
  const address = parseIp(text);
  return address?.family === family ? formatIp(address) : "";
}

/** Of `{"VNI":1,"VtepMAC":"…"}`. */
function vtepIn(text: string): { mac: string; vni?: number } {
  const nothing = { mac: "" };
  if (text === "" || text === "null") return nothing;
  try {
    const { VtepMAC: mac, VNI: vni } = JSON.parse(text) as { VtepMAC?: unknown; VNI?: unknown };
    if (typeof mac !== "string" || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) return nothing;
    return { mac: mac.toLowerCase(), ...(typeof vni === "number" && { vni }) };
  } catch {
    return nothing;
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
