/**
 * What flannel has made of a host's network, in one form that two moments or two hosts can be compared
 * by.
 *
 * @module
 */

import { SUBNET_ENV } from "./flannel.ts";
import type { Kernel } from "./kernel.ts";

/** One end of the tunnels, and all that leads to the others. */
export interface Vtep {
  readonly name: string;
  readonly mac: string;
  readonly vni: number;
  readonly ifindex: number;
  readonly mtu: number;
  readonly port: number;
  readonly local: string;
  /** Name of the device that it sends by. */
  readonly underlay: string;
  readonly learning: boolean;
  /** Of global scope, with their prefixes. */
  readonly addresses: readonly string[];
  /** In the order of their subnets. */
  readonly peers: readonly Peer[];
}

/** A way to another host's pods. */
export interface Peer {
  readonly subnet: string;
  /** The other end's address inside the tunnel. */
  readonly gateway: string;
  /** Of a permanent neighbour; undefined when it is missing. */
  readonly mac: string | undefined;
  /** Of a permanent forwarding entry; undefined when it is missing. */
  readonly publicIp: string | undefined;
}

/** The tunnels by name, the ways without a tunnel, and what the CNI plugin is told. */
export interface FlannelState {
  readonly vteps: Readonly<Record<string, Vtep>>;
  /** To pods of hosts on the same LAN. */
  readonly direct: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly subnetEnv: string | undefined;
}

/** Reads it from the kernel. */
export async function readFlannelState(kernel: Kernel): Promise<FlannelState> {
  const [links, routes, subnetEnv] = await Promise.all([
    kernel.links(),
    kernel.routes(),
    kernel.file(SUBNET_ENV),
  ]);
  const vteps: Record<string, Vtep> = {};
  for (const link of links) {
    const data = link.linkinfo?.info_data;
    if (link.linkinfo?.info_kind !== "vxlan" || !data || !link.ifname.startsWith("flannel")) {
      continue;
    }
    const [neighbours, forwarding] = await Promise.all([
      kernel.neighbours(link.ifname),
      kernel.forwarding(link.ifname),
    ]);
    const peers = routes.filter(({ dev, gateway }) => dev === link.ifname && gateway).map(
      (route) => {
        const mac = neighbours.find(({ dst, state }) =>
          dst === route.gateway && state.includes("PERMANENT")
        )?.lladdr;
        const publicIp = forwarding.find((entry) =>
          entry.mac === mac && entry.state === "permanent"
        )
          ?.dst;
        return { subnet: route.dst, gateway: route.gateway!, mac, publicIp };
      },
    );
    vteps[link.ifname] = {
      name: link.ifname,
      mac: link.address,
      vni: data.id,
      ifindex: link.ifindex,
      mtu: link.mtu,
      port: data.port,
      local: data.local ?? data.local6 ?? "",
      underlay: data.link ?? "",
      learning: data.learning,
      addresses: link.addr_info.filter(({ scope }) => scope === "global")
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      peers: peers.sort((a, b) => a.subnet < b.subnet ? -1 : 1),
    };
  }
  const direct = routes.filter(({ dev, gateway, dst }) =>
    gateway !== undefined && dst !== "default" && !dev.startsWith("flannel") && dst.includes("/")
  ).map(({ dst, gateway }) => ({ subnet: dst, gateway: gateway! }));
  return { vteps, direct, subnetEnv };
}
