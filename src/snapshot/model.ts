/**
 * The network of a node as it is kept in a snapshot: what it takes to reach the pods of the other nodes,
 * and what the pods of this one had. Addresses and MACs are in the lower-case text that `ip` prints.
 *
 * @module
 */

/** A network interface that others stand on, so that it is known again under another name. */
export interface Underlay {
  name: string;
  /** Of its hardware; empty where it has none. */
  mac: string;
  mtu: number;
}

/** A vxlan device of flannel: `flannel.<VNI>`, or `flannel-v6.<VNI>`. */
export interface VxlanLink {
  name: string;
  vni: number;
  /** UDP port. */
  port: number;
  /** The VTEP's MAC, which every other node has in its neighbour table and FDB. */
  mac: string;
  mtu: number;
  /** The address that packets to other nodes come from. */
  local: string;
  /** Name of the interface that they leave by. */
  underlay: string;
  learning: boolean;
  /** Group-based policy extension. */
  gbp: boolean;
  /** Packets that may wait. */
  txQueueLength: number;
  /** With prefix length: flannel gives it the first address of the node's subnet, as /32 or /128. */
  addresses: string[];
  /** Whether the device computes checksums of what it carries; undefined where that can't be read. */
  txChecksum?: boolean;
}

/** How the pods of one other node are reached. */
export type Peer =
  | {
    kind: "vxlan";
    /** The other node's pods. */
    subnet: string;
    link: string;
    /** First address of the subnet: next hop, and key of the neighbour entry. */
    gateway: string;
    /** Its VTEP's MAC. */
    mac: string;
    /** Its address on the underlay. */
    endpoint: string;
    node?: string;
  }
  | {
    /** DirectRouting of vxlan, or the host-gw backend. */
    kind: "direct";
    subnet: string;
    /** Interface. */
    link: string;
    gateway: string;
    node?: string;
  };

/** A pod of this node and the addresses that it has had last. */
export interface PodRecord {
  /** Name of the CNI network. */
  network: string;
  namespace: string;
  name: string;
  /** Empty where the runtime did not tell it. */
  uid: string;
  containerId: string;
  ifName: string;
  ips: string[];
}

/** A file as it was. */
export interface SavedFile {
  path: string;
  text: string;
}

/** All that a snapshot brings back. */
export interface Network {
  underlays: Underlay[];
  links: VxlanLink[];
  peers: Peer[];
  /** `/run/flannel/subnet.env`, without which no CNI ADD works. */
  subnetEnv?: string;
  /** `spec.podCIDRs` of this node as the cluster said last; empty where it was never asked. */
  podCidrs: string[];
  /** flannel's own config and the CNI config in use, for a person to compare. */
  files: SavedFile[];
  /** The pods' bridge, for a person: the bridge plugin makes it again. */
  bridges: { name: string; mac: string; mtu: number; addresses: string[] }[];
  /** Kernel settings by name. */
  sysctls: Record<string, string>;
  /** Kernel modules that were loaded, of those that pods' networks need. */
  modules: string[];
  pods: PodRecord[];
}

/** An interface as the kernel shows it. */
export interface Interface {
  name: string;
  mac: string;
  mtu: number;
  /** Administratively. */
  up: boolean;
  /** `vxlan`, `bridge`, `veth`, …; empty for hardware. */
  kind: string;
  addresses: InterfaceAddress[];
}

/** An address of an interface. */
export interface InterfaceAddress {
  family: 4 | 6;
  address: string;
  prefixLength: number;
  /** `global`, `link`, `host`. */
  scope: string;
  /** Of no use to others: for privacy (RFC 8981), about to go, or somebody else's. */
  passing?: true;
}

/** A vxlan device as the kernel shows it: a {@linkcode VxlanLink} that may not be one of ours. */
export type ObservedLink = Omit<VxlanLink, "txChecksum"> & { up: boolean };

/** A permanent entry of the neighbour table. */
export interface Neighbour {
  link: string;
  address: string;
  mac: string;
}

/** A permanent entry of a vxlan device's forwarding database. */
export interface FdbEntry {
  link: string;
  mac: string;
  /** Underlay address of the VTEP behind it. */
  endpoint: string;
}

/** A route of the main table with a next hop. */
export interface Route {
  subnet: string;
  gateway: string;
  link: string;
  onlink: boolean;
  /** Who set it: `boot`, `kernel`, a number. */
  protocol: string;
  /** Whether it leads into nothing now: its link is down. */
  dead: boolean;
}

/** What `ip` and `bridge` say about the host. */
export interface KernelState {
  interfaces: Interface[];
  links: ObservedLink[];
  neighbours: Neighbour[];
  fdb: FdbEntry[];
  routes: Route[];
}

/**
 * Marks the routes that the agent set (`ip route … proto`), as the kernel keeps no other mark. flanneld
 * sets its own over it, which says that they are flannel's again. Not in iproute2's `rt_protos`.
 */
export const OWN_PROTOCOL = "201";

/** The names that flannel gives its vxlan devices. */
export function isFlannelLink(name: string): boolean {
  return /^flannel(-v6)?\.\d+$/.test(name);
}
