import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  directPeer,
  factsOf,
  flannelLink,
  flannelLink6,
  macOf,
  networkOf,
  vxlanPeer,
} from "../../tests/testing/flannel_network.ts";
import type { Observation } from "./collect.ts";
import type { Network, ObservedLink, Peer, VxlanLink } from "./model.ts";
import { nextNetwork, type NodeKnowledge } from "./next_network.ts";
import type { NodeFacts } from "./node_facts.ts";

const OWN = "edge-1";
const UNKNOWN: NodeKnowledge = { state: "unknown" };

const fresh = (...nodes: NodeFacts[]): NodeKnowledge => ({ state: "fresh", nodes });
const stale = (...nodes: NodeFacts[]): NodeKnowledge => ({ state: "stale", nodes });

function seenOf(
  network: Partial<Network>,
  { link = {}, flannelRoutes = false, missing = {} }: {
    link?: Partial<ObservedLink>;
    /** Whether flanneld has set routes itself. */
    flannelRoutes?: boolean;
    missing?: Observation["missing"];
  } = {},
): Observation {
  const whole = networkOf({ links: [flannelLink()], subnetEnv: "X=1\n", ...network });
  const links = whole.links.map((each: VxlanLink): ObservedLink => ({
    ...each,
    up: true,
    ...link,
  }));
  const routes = flannelRoutes
    ? whole.peers.map(({ subnet, gateway, link }) => ({
      ...{ subnet, gateway, link, onlink: true, protocol: "boot", dead: false },
    }))
    : [];
  return {
    network: whole,
    kernel: { interfaces: [], links, neighbours: [], fdb: [], routes },
    missing,
  };
}

const FORMER = networkOf({
  links: [flannelLink()],
  peers: [vxlanPeer(2), vxlanPeer(3)],
  subnetEnv: "X=1\n",
  podCidrs: ["10.244.1.0/24"],
});

const LINK_5 = flannelLink({ name: "flannel.5", vni: 5 });
const PEER_5: Peer = { ...vxlanPeer(2) as Peer & { kind: "vxlan" }, link: "flannel.5" };

function peersAfter(seen: Observation, known: NodeKnowledge): Peer[] {
  const next = nextNetwork(FORMER, seen, known, OWN);
  assert.ok(next.state === "take", JSON.stringify(next));
  return next.network.peers;
}

Deno.test.each([
  { name: "a device that is gone", seen: seenOf({ links: [] }), want: /flannel\.1 is gone/ },
  {
    name: "a device of another VNI that flanneld has not used",
    seen: seenOf({ links: [LINK_5], peers: [PEER_5] }),
    want: /flannel\.1 is gone/,
  },
  {
    name: "a device of another VNI and a MAC that the cluster does not know",
    seen: seenOf({ links: [flannelLink({ name: "flannel.5", vni: 5, mac: macOf(99) })] }),
    known: fresh(factsOf(1, { vni: 5 })),
    want: /flannel\.1 is gone/,
  },
  {
    name: "a network without subnet.env",
    seen: seenOf({ subnetEnv: undefined }),
    want: /no usable subnet\.env: flanneld has not written it yet/,
  },
  {
    name: "a broken subnet.env",
    seen: seenOf({ subnetEnv: undefined }, { missing: { subnetEnv: "it lacks FLANNEL_MTU" } }),
    want: /no usable subnet\.env: it lacks FLANNEL_MTU/,
  },
  { name: "a device that is down", seen: seenOf({}, { link: { up: false } }), want: /is down/ },
  {
    name: "a device without an address",
    seen: seenOf({ links: [flannelLink({ addresses: [] })] }),
    want: /flannel\.1 has no address/,
  },
  {
    name: "a MAC that the cluster does not know",
    seen: seenOf({ links: [flannelLink({ mac: macOf(99) })] }),
    known: fresh(factsOf(1)),
    want: /has the MAC 8a:00:00:00:00:63, and the cluster knows 8a:00:00:00:00:01/,
  },
  {
    name: "a new MAC that flanneld has not used",
    seen: seenOf({ links: [flannelLink({ mac: macOf(99) })] }),
    want: /instead of 8a:00:00:00:00:01, and flanneld has not used it yet/,
  },
  {
    name: "a new MAC that somebody gave a device which flanneld uses",
    // Its routes stay, the neighbours do not.
    seen: {
      ...seenOf({ links: [flannelLink({ mac: macOf(99) })] }),
      kernel: {
        ...seenOf({ links: [flannelLink({ mac: macOf(99) })], peers: [vxlanPeer(2)] }, {
          flannelRoutes: true,
        }).kernel,
      },
    },
    want: /instead of 8a:00:00:00:00:01, and flanneld has not used it yet/,
  },
])("S34 nextNetwork() keeps the former snapshot for $name", ({ seen, want, known = UNKNOWN }) => {
  const next = nextNetwork(FORMER, seen, known, OWN);
  assert.ok(next.state === "keep");
  assert.match(next.why, want);
});

Deno.test.each([
  {
    name: "a new MAC that the cluster knows",
    seen: seenOf({ links: [flannelLink({ mac: macOf(99) })] }),
    known: fresh(factsOf(1, { vtepMac: macOf(99) })),
  },
  {
    name: "a new MAC by which flanneld has reached others, where nobody can be asked",
    seen: seenOf(
      { links: [flannelLink({ mac: macOf(99) })], peers: [vxlanPeer(2)] },
      { flannelRoutes: true },
    ),
    known: UNKNOWN,
  },
  {
    name: "a network without devices, since the cluster says that it is host-gw now",
    seen: seenOf({ links: [], peers: [directPeer(2)] }),
    known: fresh(factsOf(1, { backendType: "host-gw" }), factsOf(2)),
  },
  {
    name: "a device of another VNI by which flanneld has reached others, where nobody can be asked",
    seen: seenOf({ links: [LINK_5], peers: [PEER_5] }, { flannelRoutes: true }),
    known: UNKNOWN,
  },
  {
    name: "a device of another VNI that an old flanneld has announced by its MAC alone",
    seen: seenOf({ links: [LINK_5] }),
    known: fresh(factsOf(1)),
  },
  {
    name: "another local address",
    seen: seenOf({ links: [flannelLink({ local: "192.168.5.77" })] }),
    known: UNKNOWN,
  },
])("nextNetwork() takes $name", ({ seen, known }) => {
  const next = nextNetwork(FORMER, seen, known, OWN);
  assert.ok(next.state === "take", JSON.stringify(next));
  assert.deepEqual(next.network.links, seen.network.links);
});

const IPV4_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

Deno.test.each<{ name: string; left: Partial<ObservedLink> }>([
  { name: "is down", left: { up: false } },
  { name: "has another MAC", left: { mac: macOf(99) } },
  { name: "has no address", left: { addresses: [] } },
])("nextNetwork() minds no device of a family given up that $name", ({ left }) => {
  const { up = true, ...changes } = left;
  const former = networkOf({ ...FORMER, links: [flannelLink(), flannelLink6()] });
  const seen = seenOf({ links: [flannelLink(), flannelLink6(changes)], subnetEnv: IPV4_ENV });
  for (const link of seen.kernel.links) if (link.name === "flannel-v6.1") link.up = up;
  const next = nextNetwork(former, seen, UNKNOWN, OWN);
  assert.ok(next.state === "take", JSON.stringify(next));
  assert.deepEqual(next.network.links, [flannelLink()]);
});

Deno.test.each([
  { name: "nobody can be asked", known: UNKNOWN },
  { name: "the link is down", known: stale(factsOf(1), factsOf(2)) },
])("S34 nextNetwork() keeps peers that are not seen while $name", ({ known }) => {
  const subnets = peersAfter(seenOf({ peers: [] }), known).map(({ subnet }) => subnet);
  assert.deepEqual(subnets, ["10.244.2.0/24", "10.244.3.0/24"]);
});

Deno.test("nextNetwork() drops peers that the cluster no longer has, and names the others", () => {
  const peers = peersAfter(seenOf({ peers: [] }), fresh(factsOf(1), factsOf(3)));
  assert.deepEqual(peers, [{ ...vxlanPeer(3), node: "edge-3" }]);
});

Deno.test("nextNetwork() takes what the cluster says of a peer over what is seen", () => {
  const moved = factsOf(2, { publicIp: "192.168.5.99", vtepMac: macOf(2, 7) });
  const peers = peersAfter(seenOf({ peers: [vxlanPeer(2)] }), fresh(factsOf(1), moved));
  assert.deepEqual(peers, [
    { ...vxlanPeer(2), mac: macOf(2, 7), endpoint: "192.168.5.99", node: "edge-2" },
  ]);
});

Deno.test("nextNetwork() takes what is seen of a peer over what an old answer says", () => {
  const seen = { ...vxlanPeer(2), mac: macOf(2, 7) } as Peer;
  const [peer] = peersAfter(seenOf({ peers: [seen] }), stale(factsOf(1), factsOf(2)));
  assert.deepEqual(peer, { ...seen, node: "edge-2" });
});

Deno.test("nextNetwork() keeps parts that could not be read as they were", () => {
  const former = networkOf({
    ...FORMER,
    sysctls: { "net.ipv4.ip_forward": "1" },
    bridges: [{ name: "cni0", mac: macOf(1), mtu: 1450, addresses: [] }],
    files: [{ path: "/etc/cni/net.d/10-flannel.conflist", text: "{}" }],
    pods: [{
      ...{ network: "cbr0", namespace: "default", name: "web", uid: "u1" },
      ...{ containerId: "c1", ifName: "eth0", ips: ["10.244.1.5"] },
    }],
  });
  const missing = { sysctls: "no sysctl", files: "EIO", pods: "EIO" };
  const seen = seenOf({ peers: FORMER.peers }, { missing });
  const next = nextNetwork(former, seen, UNKNOWN, OWN);
  assert.ok(next.state === "take");
  assert.deepEqual(next.network.sysctls, former.sysctls);
  assert.deepEqual(next.network.files, former.files);
  assert.deepEqual(next.network.pods, former.pods);
  assert.deepEqual(next.network.bridges, []);
  assert.deepEqual(next.network.podCidrs, former.podCidrs);
});

Deno.test.each([
  { name: "the cluster is away", known: UNKNOWN, forward: "1" },
  { name: "the cluster is there", known: fresh(factsOf(1)), forward: "0" },
])("S34 nextNetwork() keeps settings that a boot took away while $name", ({ known, forward }) => {
  const sysctls = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    // Of an agent that kept more.
    "net.ipv4.conf.all.rp_filter": "1",
  };
  const former = networkOf({ ...FORMER, sysctls, modules: ["br_netfilter", "vxlan"] });
  const seen = seenOf({
    sysctls: { "net.ipv4.ip_forward": "0", "net.bridge.bridge-nf-call-ip6tables": "1" },
    modules: ["vxlan"],
  });
  const next = nextNetwork(former, seen, known, OWN);
  assert.ok(next.state === "take");
  assert.deepEqual(next.network.modules, ["br_netfilter", "vxlan"]);
  assert.deepEqual(next.network.sysctls, {
    "net.ipv4.ip_forward": forward,
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
  });
});

Deno.test.each([
  { name: "keeps the MTU of a device on a card that is narrow for now", env: "X=1\n", mtu: 8950 },
  { name: "takes an MTU that flanneld has told", env: "X=2\n", mtu: 1450 },
])("S34 nextNetwork() $name", ({ env, mtu }) => {
  const former = networkOf({ ...FORMER, links: [flannelLink({ mtu: 8950 })] });
  const seen = seenOf({ links: [flannelLink({ mtu: 1450 })], subnetEnv: env });
  const next = nextNetwork(former, seen, UNKNOWN, OWN);
  assert.ok(next.state === "take");
  assert.equal(next.network.links[0]?.mtu, mtu);
});

Deno.test("nextNetwork() has nothing more to take once it has taken a network", () => {
  const peers = fc.uniqueArray(fc.integer({ min: 2, max: 9 }), { maxLength: 6 })
    .map((list) => list.map((n) => vxlanPeer(n)));
  const nodes = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 9 })
    .map((list) => list.map((n) => factsOf(n)));
  const state = fc.constantFrom("fresh" as const, "stale" as const);
  fc.assert(fc.property(peers, nodes, state, (seenPeers, facts, freshness) => {
    const known: NodeKnowledge = { state: freshness, nodes: facts };
    const seen = seenOf({ peers: seenPeers });
    const first = nextNetwork(FORMER, seen, known, OWN);
    assert.ok(first.state === "take");
    assert.deepEqual(nextNetwork(first.network, seen, known, OWN), first);
  }));
});
