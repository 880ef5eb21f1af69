import assert from "node:assert/strict";
import { directPeer, macOf, vxlanPeer, vxlanPeer6 } from "../../tests/testing/flannel_network.ts";
import { peerOfNode, toNodeFacts } from "./node_facts.ts";

const PREFIX = "flannel.alpha.coreos.com";

function node(annotations: Record<string, string>, spec: unknown = {}): unknown {
  const prefixed = Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [`${PREFIX}/${key}`, value]),
  );
  return { metadata: { name: "edge-2", annotations: prefixed }, spec };
}

const EMPTY = {
  name: "edge-2",
  podCidrs: [],
  backendType: "",
  publicIp: "",
  publicIpv6: "",
  vtepMac: "",
  vtepMacV6: "",
};

Deno.test.each([
  {
    name: "all that flannel writes",
    object: node({
      "backend-type": "vxlan",
      "backend-data": '{"VNI":1,"VtepMAC":"8A:00:00:00:00:02"}',
      "backend-v6-data": '{"VNI":2,"VtepMAC":"8a:3c:00:00:00:02"}',
      "public-ip": "192.168.5.2",
      "public-ipv6": "fd00:5::2",
    }, { podCIDR: "10.244.2.0/24", podCIDRs: ["10.244.2.0/24", "fd00:10:2::/64"] }),
    want: {
      ...EMPTY,
      backendType: "vxlan",
      podCidrs: ["10.244.2.0/24", "fd00:10:2::/64"],
      publicIp: "192.168.5.2",
      publicIpv6: "fd00:5::2",
      vtepMac: "8a:00:00:00:00:02",
      vtepMacV6: "8a:3c:00:00:00:02",
      vni: 1,
      vniV6: 2,
    },
  },
  {
    name: "where the others' flanneld reaches a node, whatever its administrator wants next",
    object: node({ "public-ip": "10.0.0.2", "public-ip-overwrite": "203.0.113.2" }),
    want: { ...EMPTY, publicIp: "10.0.0.2" },
  },
  {
    name: "addresses as the kernel spells them",
    object: node({ "public-ip": "10.0.0.2", "public-ipv6": "FD00:5:0:0::2" }),
    want: { ...EMPTY, publicIp: "10.0.0.2", publicIpv6: "fd00:5::2" },
  },
  {
    name: "nothing from addresses that would be commands",
    object: node({
      "public-ip": "10.0.0.2 dev flannel.1\nlink delete dev eth0",
      "public-ipv6": "fd00::2 self",
    }),
    want: EMPTY,
  },
  {
    name: "a node of an old cluster with one subnet",
    object: node({}, { podCIDR: "10.244.2.0/24" }),
    want: { ...EMPTY, podCidrs: ["10.244.2.0/24"] },
  },
  {
    name: "a node that flannel has not seen",
    object: { metadata: { name: "edge-2", annotations: null }, spec: { podCIDRs: null } },
    want: EMPTY,
  },
  {
    name: "data that is none",
    object: node({ "backend-data": "{", "backend-v6-data": '{"VtepMAC":"x; reboot"}' }),
    want: EMPTY,
  },
])("toNodeFacts() reads $name", ({ object, want }) => {
  assert.deepEqual(toNodeFacts(object), want);
});

Deno.test("toNodeFacts() refuses what is no Node", () => {
  assert.throws(() => toNodeFacts({ kind: "Status" }), SyntaxError);
});

Deno.test("peerOfNode() takes the family of the subnet", () => {
  const facts = {
    ...EMPTY,
    publicIp: "192.168.5.9",
    publicIpv6: "fd00:5::9",
    vtepMac: macOf(9),
    vtepMacV6: macOf(9, 6),
  };
  assert.deepEqual(peerOfNode(facts, vxlanPeer(2)), {
    ...vxlanPeer(2),
    node: "edge-2",
    mac: macOf(9),
    endpoint: "192.168.5.9",
  });
  assert.deepEqual(peerOfNode(facts, vxlanPeer6(2)), {
    ...vxlanPeer6(2),
    node: "edge-2",
    mac: macOf(9, 6),
    endpoint: "fd00:5::9",
  });
  assert.deepEqual(peerOfNode(facts, directPeer(2)), {
    ...directPeer(2),
    node: "edge-2",
    gateway: "192.168.5.9",
  });
});
