import assert from "node:assert/strict";
import {
  factsOf,
  flannelLink,
  flannelLink6,
  macOf,
  vxlanPeer,
  vxlanPeer6,
} from "../../tests/testing/flannel_network.ts";
import {
  keptNode,
  PEERS,
  SUBNET_ENV,
  SUBNETS,
  TestNode,
} from "../../tests/testing/flannel_node.ts";
import type { Keeper } from "./keeper.ts";
import type { Peer } from "./model.ts";

const { signal } = new AbortController();

const ANNOUNCED_5 = { vni: 5 };
const LINK_5 = flannelLink({ name: "flannel.5", vni: 5 });
const over5 = (n: number, incarnation?: number): Peer => ({
  ...vxlanPeer(n, incarnation) as Peer & { kind: "vxlan" },
  link: "flannel.5",
});

/** A peer with the same pods, made anew on its machine: flanneld replaces these two entries, and no route. */
function remake(node: TestNode, n: number, incarnation = 7): void {
  const mac = macOf(n, incarnation);
  node.change("ip", `neigh replace 10.244.${n}.0 lladdr ${mac} nud permanent dev flannel.1`);
  node.change("bridge", `fdb replace ${mac} dst 192.168.5.${n} dev flannel.1 self permanent`);
}

/** The link goes, and the agent looks twice. */
async function loseLink(node: TestNode, keeper: Keeper): Promise<void> {
  node.link = "down";
  await keeper.pass(signal);
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
}

const linksOf = (node: TestNode) =>
  [...node.kernel.links.keys()].filter((name) => name.startsWith("flannel"));
const waysOf = (node: TestNode) =>
  [...node.kernel.routes.values()].map(({ subnet, link }) => `${subnet} ${link}`).sort();

Deno.test("Keeper holds the device that flanneld made while the link was up, whatever the snapshot says", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  await keeper.pass(signal);
  node.change("ip", "link delete dev flannel.1");
  await node.runFlannel([over5(2), over5(3)], { links: [LINK_5] });
  await loseLink(node, keeper);
  assert.deepEqual(linksOf(node), ["flannel.5"]);
  assert.deepEqual(waysOf(node), ["10.244.2.0/24 flannel.5", "10.244.3.0/24 flannel.5"]);
  assert.deepEqual((await node.openKeeper()).newest?.network.links, [LINK_5]);
});

Deno.test("Keeper holds peers over another device when the link went before flanneld had set them all", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  node.change("ip", "link delete dev flannel.1");
  await node.runFlannel([over5(2)], { links: [LINK_5] });
  await loseLink(node, keeper);
  assert.deepEqual(waysOf(node), ["10.244.2.0/24 flannel.5", "10.244.3.0/24 flannel.5"]);
  assert.deepEqual(keeper.newest?.network.peers, [over5(2), over5(3)]);
});

Deno.test("Keeper holds a peer that was made anew right before the link went", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  await keeper.pass(signal);
  remake(node, 2);
  await loseLink(node, keeper);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
  assert.deepEqual((await node.openKeeper()).newest?.network.peers[0], vxlanPeer(2, 7));
});

Deno.test("Keeper holds what flanneld set while the link was up too shortly for a look", async () => {
  const node = await keptNode();
  node.link = "down";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  await keeper.pass(signal);
  node.link = "up";
  keeper.followLink();
  remake(node, 2);
  node.link = "down";
  keeper.followLink();
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
  // From now on it is held.
  remake(node, 2, 9);
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
});

Deno.test("Keeper holds what the cluster said of a peer that a stopped flanneld did not set any more", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  node.nodes = [factsOf(1), factsOf(2, { vtepMac: macOf(2, 7) }), factsOf(3)];
  await keeper.pass(signal);
  await loseLink(node, keeper);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
});

Deno.test("Keeper holds what the cluster said of a peer over what flanneld had set before", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  remake(node, 2);
  node.nodes = [factsOf(1), factsOf(2, { vtepMac: macOf(2, 8) }), factsOf(3)];
  await keeper.pass(signal);
  await loseLink(node, keeper);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 8));
});

Deno.test("Keeper holds what another node told of itself before the first look", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  keeper.notice({
    node: "edge-2",
    podCidrs: ["10.244.2.0/24"],
    vteps: [{ mac: macOf(2, 7), endpoint: "192.168.5.99" }],
  });
  await loseLink(node, keeper);
  assert.equal(node.kernel.fdb.get(`flannel.1 ${macOf(2, 7)}`), "192.168.5.99");
});

Deno.test("S34 Keeper brings a device back that a restarting flanneld had taken away when the link went", async () => {
  for (const isMade of [false, true]) {
    const node = await keptNode();
    node.nodes = [factsOf(1), factsOf(2), factsOf(3)];
    const keeper = await node.openKeeper();
    await keeper.restore(0, signal);
    await keeper.pass(signal);
    node.change("ip", "link delete dev flannel.1");
    // It makes the device before it announces it, and peers after that.
    if (isMade) await node.runFlannel([], { links: [flannelLink({ mac: macOf(1, 9) })] });
    await loseLink(node, keeper);
    assert.equal(node.kernel.links.get("flannel.1")?.mac, macOf(1));
    assert.deepEqual(node.peers(), SUBNETS);
    assert.deepEqual((await node.openKeeper()).newest?.network.links, [flannelLink()]);
  }
});

Deno.test.each([
  { name: "once the cluster knows it", facts: factsOf(1, ANNOUNCED_5), want: "kept" },
  { name: "not before the cluster knows it", facts: factsOf(1, { vni: 1 }), want: "degraded" },
])("Keeper keeps a device of another VNI $name", async ({ facts, want }) => {
  const node = await keptNode();
  node.nodes = [factsOf(1, { vni: 1 }), factsOf(2), factsOf(3)];
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  node.change("ip", "link delete dev flannel.1");
  await node.runFlannel([over5(2)], { links: [LINK_5] });
  node.nodes[0] = facts;
  await keeper.pass(signal);
  assert.equal(keeper.state.state, want);
  const { network } = (await node.openKeeper()).newest!;
  const link = want === "kept" ? "flannel.5" : "flannel.1";
  assert.deepEqual(network.links.map(({ name }) => name), [link]);
  assert.deepEqual(network.peers.map((peer) => peer.link), [link, link]);
});

const DUAL_ENV = SUBNET_ENV.replace(
  "FLANNEL_MTU",
  "FLANNEL_IPV6_NETWORK=fd00:10::/48\nFLANNEL_IPV6_SUBNET=fd00:10:1::1/64\nFLANNEL_MTU",
);
const DUAL_CIDRS = { podCidrs: ["10.244.1.0/24", "fd00:10:1::/64"], vtepMacV6: macOf(1, 6) };

/** A node of two families, each with peers. */
async function dualNode(): Promise<TestNode> {
  const node = new TestNode();
  await node.fs.mkdir("/var/lib/edge-agent", 0o700);
  await node.runFlannel([...PEERS, vxlanPeer6(2)], {
    links: [flannelLink(), flannelLink6()],
    subnetEnv: DUAL_ENV,
  });
  node.nodes = [factsOf(1, DUAL_CIDRS), factsOf(2), factsOf(3)];
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  assert.equal(keeper.newest?.network.links.length, 2);
  return node;
}

Deno.test.each([
  // Its Node goes on naming the other device: flanneld takes no annotation away.
  { name: "flanneld writes", subnetEnv: SUBNET_ENV, facts: DUAL_CIDRS },
  { name: "the cluster knows", subnetEnv: DUAL_ENV, facts: { ...DUAL_CIDRS, vtepMacV6: "" } },
])("Keeper keeps one family where there were two once $name so", async ({ subnetEnv, facts }) => {
  for (const isThere of [true, false]) {
    const node = await dualNode();
    const keeper = await node.openKeeper();
    if (!isThere) node.change("ip", "link delete dev flannel-v6.1");
    await node.runFlannel([...PEERS, vxlanPeer(4)], { subnetEnv });
    node.nodes = [factsOf(1, facts), factsOf(2), factsOf(3), factsOf(4)];
    await keeper.pass(signal);
    assert.deepEqual(keeper.state, { state: "kept" });
    const { network } = keeper.newest!;
    assert.deepEqual(network.links.map(({ name }) => name), ["flannel.1"]);
    assert.deepEqual(network.peers.map(({ subnet }) => subnet), [...SUBNETS, "10.244.4.0/24"]);
    await node.reboot();
    node.link = "down";
    await (await node.openKeeper()).restore(0, signal);
    assert.deepEqual(linksOf(node), ["flannel.1"]);
  }
});

Deno.test("S34 Keeper gives no family up whose device is gone for now", async () => {
  for (const state of ["fresh", "stale"] as const) {
    const node = await dualNode();
    const keeper = await node.openKeeper();
    node.change("ip", "link delete dev flannel-v6.1");
    if (state === "stale") {
      node.isHeard = false;
      node.nodes = [factsOf(1, { ...DUAL_CIDRS, vtepMacV6: "" }), factsOf(2), factsOf(3)];
    }
    await keeper.pass(signal);
    assert.deepEqual(keeper.state, { state: "degraded", why: "flannel-v6.1 is gone" }, state);
    await loseLink(node, keeper);
    assert.deepEqual(linksOf(node), ["flannel.1", "flannel-v6.1"], state);
  }
});
