/**
 * flannel as kube-flannel.yml installs it: its settings on a host, its account in the cloud, and the
 * nodes whose subnets it connects.
 *
 * @module
 */

import type { Cluster } from "../cluster.ts";
import type { User } from "../credentials.ts";

/** How the pods' networks are connected. */
export interface FlannelOptions {
  /** Default "vxlan". */
  readonly backend?: "vxlan" | "host-gw";
  /** No tunnel to those on the same LAN; vxlan only. */
  readonly directRouting?: boolean;
  /** IPv6 besides IPv4. */
  readonly dualStack?: boolean;
  /** nftables instead of iptables. */
  readonly nftables?: boolean;
  /** Of the vxlan; default 1, and the kernel's port. */
  readonly vni?: number;
  readonly port?: number;
}

/** Where flanneld finds its settings. */
export const NET_CONF = "/etc/kube-flannel/net-conf.json";
/** Where flanneld tells the CNI plugin what it has made. */
export const SUBNET_ENV = "/run/flannel/subnet.env";
/** Where the runtime finds the network. */
export const CONFLIST = "/etc/cni/net.d/10-flannel.conflist";
/** The network's name, by which host-local's store is named. */
export const NETWORK_NAME = "cbr0";

/** The pods of all nodes. */
export const POD_NETWORK = "10.244.0.0/16";
/** The same of IPv6. */
export const POD_NETWORK6 = "fd00:244::/56";

/** Who flanneld is. */
export const FLANNEL_USER = "system:serviceaccount:kube-flannel:flannel";

/** The subnets of the node of that number. */
export function podCidrsOf(number: number, { dualStack = false }: FlannelOptions): string[] {
  const v6 = `fd00:244:0:${number.toString(16)}::/64`;
  return [`10.244.${number}.0/24`, ...(dualStack ? [v6] : [])];
}

/** Text of net-conf.json. */
export function netConf(options: FlannelOptions): string {
  const { backend = "vxlan", directRouting, dualStack = false, nftables = false } = options;
  const { vni, port } = options;
  return JSON.stringify({
    Network: POD_NETWORK,
    ...(dualStack ? { EnableIPv6: true, IPv6Network: POD_NETWORK6 } : {}),
    EnableNFTables: nftables,
    Backend: { Type: backend, DirectRouting: directRouting, VNI: vni, Port: port },
  });
}

/** Text of the network that the runtime is to use, as kube-flannel.yml has it. */
export function conflist(): string {
  return JSON.stringify({
    name: NETWORK_NAME,
    cniVersion: "0.3.1",
    plugins: [
      { type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
}

/** Makes flannel's account with its rights, unless the cluster has it; returns its credentials. */
export async function createFlannelUser(cluster: Cluster): Promise<User> {
  const name = "flannel";
  const api = "/apis/rbac.authorization.k8s.io/v1";
  await create(cluster, `${api}/clusterroles`, {
    metadata: { name },
    rules: [
      { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
      { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
    ],
  });
  await create(cluster, `${api}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: FLANNEL_USER }],
  });
  // A client certificate with the name that the token of kube-flannel's pods would give.
  return await cluster.addUser(FLANNEL_USER, ["system:serviceaccounts"]);
}

/** What flannel reads of a node. */
export interface NodeSeed {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly podCidrs: readonly string[];
  /** InternalIP. */
  readonly addresses: readonly string[];
  /** As another host's flanneld would have written them. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Creates a node by the back door. */
export async function createNode(cluster: Cluster, node: NodeSeed): Promise<void> {
  const { name, podCidrs, addresses } = node;
  // As every kubelet sets it. flanneld panics on a node without any annotation.
  const kubelet = { "volumes.kubernetes.io/controller-managed-attach-detach": "true" };
  const annotations = { ...kubelet, ...node.annotations };
  const labels = { "kubernetes.io/hostname": name, ...node.labels };
  await create(cluster, "/api/v1/nodes", {
    metadata: { name, annotations, labels },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
  });
}

/** Deletes a node by the back door; one that is gone already is fine. */
export async function deleteNode(cluster: Cluster, name: string): Promise<void> {
  const response = await cluster.fetch(`/api/v1/nodes/${name}`, {
    via: "backdoor",
    method: "DELETE",
  });
  await response.body?.cancel();
}

/** The node as the cloud knows it. */
export async function readNode(cluster: Cluster, name: string): Promise<FlannelNode> {
  const response = await cluster.fetch(`/api/v1/nodes/${name}`, { via: "backdoor" });
  return await response.json();
}

/** The parts that flannel writes. */
export interface FlannelNode {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status: { readonly conditions?: readonly { readonly type: string }[] };
}

async function create(cluster: Cluster, path: string, body: unknown): Promise<void> {
  const response = await cluster.fetch(path, {
    via: "backdoor",
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok || response.status === 409) return;
  throw new Error(`Cannot create ${path}: ${response.status} ${text}`);
}
