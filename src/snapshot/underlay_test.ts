import assert from "node:assert/strict";
import {
  directPeer,
  flannelLink,
  flannelLink6,
  networkOf,
  vxlanPeer,
  vxlanPeer6,
} from "../../tests/testing/flannel_network.ts";
import type { Interface } from "./model.ts";
import { findFooting, fitNetwork, type Footing } from "./underlay.ts";

const MAC = "02:00:00:00:00:01";
const NETWORK = networkOf({ links: [flannelLink()], peers: [vxlanPeer(2)] });

function card(changes: Partial<Interface> & { ips?: string[] }): Interface {
  const { ips = [], ...rest } = changes;
  return {
    name: "eth0",
    mac: MAC,
    mtu: 1500,
    up: true,
    kind: "",
    addresses: ips.map((address) => ({
      family: address.includes(":") ? 6 : 4,
      address,
      prefixLength: 24,
      scope: address.startsWith("fe80") ? "link" : "global",
    })),
    ...rest,
  };
}

const ready = (changes: Partial<Footing & { state: "ready" }> = {}): Footing => ({
  state: "ready",
  underlay: "eth0",
  local: "192.168.5.1",
  mtu: 1450,
  changes: [],
  ...changes,
});

Deno.test.each([
  {
    name: "S35 nothing changed",
    interfaces: [card({ ips: ["192.168.5.1"] })],
    some: ready(),
    none: ready(),
  },
  {
    name: "S35 the card has another name",
    interfaces: [card({ name: "enp3s0", ips: ["192.168.5.1"] })],
    some: ready({
      underlay: "enp3s0",
      changes: [{ change: "renamed", from: "eth0", to: "enp3s0" }],
    }),
    none: ready({
      underlay: "enp3s0",
      changes: [{ change: "renamed", from: "eth0", to: "enp3s0" }],
    }),
  },
  {
    name: "S35 the address is on another card of another name",
    interfaces: [
      card({ ips: ["192.168.7.1"] }),
      card({ name: "eth1", mac: "02:00:00:00:00:99", ips: ["192.168.5.1"] }),
    ],
    some: ready({ underlay: "eth1", changes: [{ change: "renamed", from: "eth0", to: "eth1" }] }),
    none: ready({ underlay: "eth1", changes: [{ change: "renamed", from: "eth0", to: "eth1" }] }),
  },
  {
    name: "S35 DHCP gave another address",
    interfaces: [card({ ips: ["fe80::1", "192.168.5.77"] })],
    some: { state: "waiting", why: "eth0 does not have the address 192.168.5.1 yet" } as Footing,
    none: ready({
      local: "192.168.5.77",
      changes: [{ change: "readdressed", from: "192.168.5.1", to: "192.168.5.77" }],
    }),
  },
  {
    name: "S35 no carrier, and so no address",
    interfaces: [card({})],
    some: { state: "waiting", why: "eth0 does not have the address 192.168.5.1 yet" } as Footing,
    none: ready(),
  },
  {
    name: "S35 another name and another address: known by its MAC",
    interfaces: [card({ name: "enp3s0", ips: ["192.168.5.77"] })],
    some: { state: "waiting", why: "enp3s0 does not have the address 192.168.5.1 yet" } as Footing,
    none: ready({
      underlay: "enp3s0",
      local: "192.168.5.77",
      changes: [
        { change: "renamed", from: "eth0", to: "enp3s0" },
        { change: "readdressed", from: "192.168.5.1", to: "192.168.5.77" },
      ],
    }),
  },
  {
    name: "S35 no such card at all",
    interfaces: [card({ name: "eth7", mac: "02:00:00:00:00:99", ips: ["192.168.9.1"] })],
    some: {
      state: "waiting",
      why:
        'there is no interface "eth0", nor one with its address 192.168.5.1 or its MAC 02:00:00:00:00:01',
    } as Footing,
    none: {
      state: "waiting",
      why:
        'there is no interface "eth0", nor one with its address 192.168.5.1 or its MAC 02:00:00:00:00:01',
    } as Footing,
  },
  {
    name: "S35 a smaller MTU",
    interfaces: [card({ ips: ["192.168.5.1"], mtu: 1400 })],
    some: ready({ mtu: 1350 }),
    none: ready({ mtu: 1350 }),
  },
  {
    name: "the address on the pods' bridge, which is no underlay",
    interfaces: [card({ name: "cni0", mac: "02:00:00:00:00:99", ips: ["192.168.5.1"] }), card({})],
    some: { state: "waiting", why: "eth0 does not have the address 192.168.5.1 yet" } as Footing,
    none: ready(),
  },
])("findFooting(): $name", ({ interfaces, some, none }) => {
  assert.deepEqual(findFooting(flannelLink(), NETWORK, interfaces, "some"), some);
  assert.deepEqual(findFooting(flannelLink(), NETWORK, interfaces, "none"), none);
});

Deno.test("S35 fitNetwork() keeps what has a footing when another family has none", () => {
  const network = networkOf({
    underlays: [{ name: "eth0", mac: MAC, mtu: 1500 }, { name: "eth1", mac: "", mtu: 1500 }],
    links: [flannelLink(), flannelLink6({ underlay: "eth1" })],
    peers: [vxlanPeer(2), vxlanPeer6(2)],
  });
  const fitting = fitNetwork(network, [card({ ips: ["192.168.5.1"] })], "none");
  assert.deepEqual(fitting.desired, { links: [flannelLink()], peers: [vxlanPeer(2)] });
  assert.deepEqual(fitting.waiting, [
    'flannel-v6.1: there is no interface "eth1", nor one with its address fd00:5::1',
  ]);
});

Deno.test("S35 fitNetwork() moves routes without vxlan to the card's new name", () => {
  const network = networkOf({ peers: [directPeer(3)] });
  const { desired } = fitNetwork(network, [card({ name: "enp3s0", ips: ["192.168.5.1"] })], "some");
  assert.deepEqual(desired, { links: [], peers: [{ ...directPeer(3), link: "enp3s0" }] });
});

Deno.test("fitNetwork() leaves routes out whose card is gone", () => {
  const { desired } = fitNetwork(networkOf({ peers: [directPeer(3)] }), [], "none");
  assert.deepEqual(desired.peers, []);
});

Deno.test("S35 findFooting() takes no IPv6 address that is about to go", () => {
  const [passing, lasting] = card({ ips: ["fd00:5::abcd", "fd00:5::77"] }).addresses;
  const interfaces = [card({ addresses: [{ ...passing!, passing: true }, lasting!] })];
  const footing = findFooting(flannelLink6(), NETWORK, interfaces, "none");
  assert.ok(footing.state === "ready");
  assert.equal(footing.local, "fd00:5::77");
});

Deno.test.each([
  {
    name: "a VLAN beside its card, which has the same MAC",
    interfaces: [
      card({ name: "enp3s0", ips: ["10.9.0.1"] }),
      card({ name: "enp3s0.7", kind: "vlan", ips: ["192.168.5.1"] }),
    ],
    want: "enp3s0.7",
  },
  {
    name: "another card in the place of a broken one",
    interfaces: [card({ name: "enx0", mac: "02:00:00:00:00:99", ips: ["192.168.5.1"] })],
    want: "enx0",
  },
])("S35 fitNetwork() finds the way to a peer without vxlan over $name", ({ interfaces, want }) => {
  const network = networkOf({ peers: [directPeer(2)] });
  const { desired } = fitNetwork(network, interfaces, "none");
  assert.deepEqual(desired.peers, [{ ...directPeer(2), link: want }]);
});
