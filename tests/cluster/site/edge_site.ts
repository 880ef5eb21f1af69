/**
 * A site at the edge: hosts on a LAN, flannel between their pods, and the cloud far away.
 *
 * @module
 */

import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { installTools } from "../apt.ts";
import type { User } from "../credentials.ts";
import { until } from "../poll.ts";
import { EdgeHost } from "./edge_host.ts";
import {
  createFlannelUser,
  createNode,
  deleteNode,
  type FlannelOptions,
  podCidrsOf,
} from "./flannel.ts";
import { Lan } from "./lan.ts";
import { createPeers, deletePeers, type PeerNode } from "./peers.ts";
import type { Pod } from "./pod.ts";
import { cut, mend, Uplink } from "./uplink.ts";

const TOOLS = {
  bridge: "iproute2",
  busybox: "busybox-static",
  nsenter: "util-linux",
  sysctl: "procps",
  unshare: "util-linux",
} as const;

/** What may differ from the defaults. */
export interface SiteOptions {
  /** Names of the hosts, and of their nodes; default two. */
  readonly hosts?: readonly string[];
  readonly flannel?: FlannelOptions;
  /** Whether the hosts have IPv6 on the LAN; default as the pods have. */
  readonly ipv6?: boolean;
  /** Name of the device on the LAN; default `eth0`. */
  readonly nic?: string;
  /** Whether the hosts have control groups, for a kubelet; default false. */
  readonly cgroups?: boolean;
  /** What starts services on the hosts; default `none`, so that only the test does. */
  readonly init?: "none" | "systemd";
}

/** A site whose hosts are on; everything ends with it. */
export class EdgeSite implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly hosts: readonly EdgeHost[];
  /** Who flanneld is; its kubeconfig leads straight to the cloud. */
  readonly flannel: User;
  readonly #options: SiteOptions;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    cluster: Cluster,
    options: SiteOptions,
    hosts: readonly EdgeHost[],
    flannel: User,
    stack: AsyncDisposableStack,
  ) {
    this.#options = options;
    this.cluster = cluster;
    this.hosts = hosts;
    this.flannel = flannel;
    this.#stack = stack;
  }

  /** Builds the LAN, creates the nodes and boots the hosts; nothing runs on them yet. */
  static async create(cluster: Cluster, options: SiteOptions = {}): Promise<EdgeSite> {
    const { hosts: names = ["edge-a", "edge-b"], flannel = {}, nic = "eth0" } = options;
    const { ipv6 = flannel.dualStack ?? false, init = "none" } = options;
    const { cgroups = init === "systemd" } = options;
    await installTools(TOOLS);
    await using stack = new AsyncDisposableStack();
    const [lan, user] = await Promise.all([Lan.create(), createFlannelUser(cluster)]);
    stack.use(lan);
    const hosts = await allOrThrow(names.map(async (name, index) => {
      const number = index + 1;
      const address = `10.206.0.${10 + number}`;
      const address6 = ipv6 ? `fd00:206::${10 + number}` : undefined;
      const podCidrs = podCidrsOf(number, flannel);
      const addresses = [address, ...(address6 ? [address6] : [])];
      await createNode(cluster, { name, podCidrs, addresses });
      stack.defer(() => deleteNode(cluster, name));
      const host = await EdgeHost.create({
        ...{ cluster, lan, name, podCidrs, flannel, cgroup: cgroups, init },
        uplink: await Uplink.create(cluster),
        disk: await mkdtemp(join(cluster.folder, `${name}-`)),
        nic: {
          ...{ name: nic, address, address6 },
          mac: `02:00:00:ce:00:${(10 + number).toString(16).padStart(2, "0")}`,
          carrier: true,
          defaultRoute: true,
          index: undefined,
        },
      });
      stack.use(host);
      return host;
    }));
    return new EdgeSite(cluster, options, hosts, user, stack.move());
  }

  /** flannel's identity as an agent is configured with it. */
  get flannelIdentity(): Record<string, string> {
    const { cert, key } = this.flannel.certFiles;
    return { name: "flannel", certFile: cert, keyFile: key };
  }

  /** Creates nodes of hosts that are not there, as flanneld on them would have announced itself. */
  async addPeers(count: number): Promise<PeerNode[]> {
    this.#stack.defer(() => deletePeers(this.cluster));
    return await createPeers(this.cluster, count, this.#options.flannel ?? {});
  }

  /** Cuts all hosts off the cloud at once, without a sign; the LAN works on. */
  blackhole(): Promise<void> {
    return cut(this.hosts.map(({ cloud }) => cloud));
  }

  /** Ends that. */
  restore(): Promise<void> {
    return mend(this.hosts.map(({ cloud }) => cloud));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Like `Promise.all`, but throws only when the others have ended too: no host boots behind our back. */
async function allOrThrow<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

/** Waits until two pods reach each other by TCP, UDP and ping on all their addresses. */
export async function reachEachOther(a: Pod, b: Pod): Promise<void> {
  await Promise.all([a.serveEcho(), b.serveEcho()]);
  const ways = [[a, b] as const, [b, a] as const].flatMap(([from, to]) =>
    to.ips.flatMap((ip) =>
      (["tcp", "udp", "ping"] as const).map((network) => ({ from, to, ip, network }))
    )
  );
  await Promise.all(ways.map(({ from, to, ip, network }) =>
    until(
      `${from.id.name} to reach ${to.id.name} at ${ip} by ${network}`,
      () => from.hears(ip, network),
    )
  ));
}
