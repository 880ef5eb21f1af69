/** Networks as flannel makes them, for tests. @module */

import * as fc from "fast-check";
import type { NodeFacts } from "../../src/snapshot/node_facts.ts";
import type { Network, Peer, VxlanLink } from "../../src/snapshot/model.ts";
import type { DesiredState } from "../../src/snapshot/plan.ts";

/** What flannel wrote into the Node object of node `n`. */
export function factsOf(n: number, changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    name: `edge-${n}`,
    podCidrs: [`10.244.${n}.0/24`],
    backendType: "vxlan",
    publicIp: `192.168.5.${n}`,
    publicIpv6: "",
    vtepMac: macOf(n),
    vtepMacV6: "",
    ...changes,
  };
}

/** The VTEP of node `n`, in one of several incarnations. */
export function macOf(n: number, incarnation = 0): string {
  const hex = (value: number) => (value & 0xff).toString(16).padStart(2, "0");
  return `8a:${hex(incarnation)}:00:00:${hex(n >> 8)}:${hex(n)}`;
}

/** The vxlan device of node 1. */
export function flannelLink(changes: Partial<VxlanLink> = {}): VxlanLink {
  return {
    name: "flannel.1",
    vni: 1,
    port: 8472,
    mac: macOf(1),
    mtu: 1450,
    local: "192.168.5.1",
    underlay: "eth0",
    learning: false,
    gbp: false,
    txQueueLength: 1000,
    addresses: ["10.244.1.0/32"],
    ...changes,
  };
}

/** The same of IPv6. */
export function flannelLink6(changes: Partial<VxlanLink> = {}): VxlanLink {
  return flannelLink({
    name: "flannel-v6.1",
    mac: macOf(1, 6),
    mtu: 1430,
    local: "fd00:5::1",
    addresses: ["fd00:10:1::/128"],
    ...changes,
  });
}

/** Node `n` as node 1 sees it over vxlan; of up to 65,000. */
export function vxlanPeer(n: number, incarnation = 0): Peer {
  const gateway = `10.${244 + (n >> 8)}.${n & 0xff}.0`;
  return {
    kind: "vxlan",
    subnet: `${gateway}/24`,
    gateway,
    link: "flannel.1",
    mac: macOf(n, incarnation),
    endpoint: `192.168.${5 + (n >> 8)}.${n & 0xff}`,
  };
}

/** The same over IPv6. */
export function vxlanPeer6(n: number, incarnation = 0): Peer {
  const gateway = `fd00:10:${n.toString(16)}::`;
  return {
    kind: "vxlan",
    subnet: `${gateway}/64`,
    gateway,
    link: "flannel-v6.1",
    mac: macOf(n, 60 + incarnation),
    endpoint: `fd00:5::${n.toString(16)}`,
  };
}

/** Node `n` as node 1 sees it on the same LAN, without vxlan. */
export function directPeer(n: number): Peer {
  return {
    kind: "direct",
    subnet: `10.244.${n}.0/24`,
    gateway: `192.168.5.${n}`,
    link: "eth0",
  };
}

/** A network with nothing in it but what is given. */
export function networkOf(parts: Partial<Network>): Network {
  return {
    underlays: [{ name: "eth0", mac: "02:00:00:00:00:01", mtu: 1500 }],
    links: [],
    peers: [],
    podCidrs: [],
    files: [],
    bridges: [],
    sysctls: {},
    modules: [],
    pods: [],
    ...parts,
  };
}

/** Any network that node 1 may want: one or two devices, peers of every kind, renumbered and re-made ones. */
export function arbitraryDesired(): fc.Arbitrary<DesiredState> {
  const link = fc.record({
    mac: fc.constantFrom(macOf(1), macOf(1, 9)),
    mtu: fc.constantFrom(1450, 1400),
    vni: fc.constantFrom(1, 2),
    local: fc.constantFrom("192.168.5.1", "192.168.5.77"),
    addresses: fc.constantFrom("10.244.1.0/32", "10.244.99.0/32").map((address) => [address]),
  }).map((changes) => flannelLink({ ...changes, name: "flannel.1" }));
  const peer = fc.oneof(
    fc.record({ n: fc.integer({ min: 2, max: 9 }), incarnation: fc.integer({ min: 0, max: 1 }) })
      .map(({ n, incarnation }) => vxlanPeer(n, incarnation)),
    fc.integer({ min: 2, max: 9 }).map(directPeer),
  );
  const peer6 = fc.record({
    n: fc.integer({ min: 2, max: 5 }),
    incarnation: fc.integer({ min: 0, max: 1 }),
  }).map(({ n, incarnation }) => vxlanPeer6(n, incarnation));
  return fc.record({
    link,
    peers: fc.uniqueArray(peer, { maxLength: 8, selector: ({ subnet }) => subnet }),
    peers6: fc.option(
      fc.uniqueArray(peer6, { maxLength: 4, selector: ({ subnet }) => subnet }),
      { nil: undefined },
    ),
  }).map(({ link, peers, peers6 }) => ({
    links: peers6 === undefined ? [link] : [link, flannelLink6()],
    peers: [...peers, ...(peers6 ?? [])],
  }));
}
