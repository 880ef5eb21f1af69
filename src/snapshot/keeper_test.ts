import assert from "node:assert/strict";
import { factsOf, flannelLink, macOf, vxlanPeer } from "../../tests/testing/flannel_network.ts";
import {
  addPod,
  keptNode,
  PATH,
  PEERS,
  SUBNET_ENV,
  SUBNETS,
  TestNode,
} from "../../tests/testing/flannel_node.ts";
import { converge } from "./apply.ts";
import { parseSnapshot } from "./snapshot_file.ts";
import { snapshotStatus } from "./status.ts";

const { signal } = new AbortController();

Deno.test("Keeper keeps nothing before flannel is ready, and everything then", async () => {
  const node = new TestNode();
  await node.fs.mkdir("/var/lib/edge-agent", 0o700);
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  assert.equal(keeper.state.state, "degraded");
  assert.equal(keeper.newest === undefined, true);
  await node.runFlannel(PEERS);
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
  assert.deepEqual(keeper.newest?.network.peers, PEERS);
  assert.equal(keeper.newest?.generation, 1);
});

Deno.test("Keeper writes nothing while nothing changes", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  const writes = () => node.fs.calls.filter((call) => /^(create|write|rename)/.test(call)).length;
  const before = writes();
  for (let i = 0; i < 3; i++) await keeper.pass(signal);
  assert.equal(writes(), before);
});

Deno.test("S34 Keeper never replaces a good snapshot while a booted node has nothing yet", async () => {
  const node = await keptNode();
  await node.reboot();
  const keeper = await node.openKeeper();
  node.link = "up";
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "degraded", why: "flannel.1 is gone" });
  assert.deepEqual((await node.openKeeper()).newest?.network.peers, PEERS);
});

Deno.test("S34 Keeper never replaces a good snapshot by one that can't be read again", async () => {
  const node = await keptNode();
  const eth0 = node.kernel.links.get("eth0")!;
  // A name that the kernel allows, and a batch file would take for a comment.
  node.kernel.links.set("lan#1", { ...eth0, name: "lan#1" });
  node.kernel.links.get("flannel.1")!.vxlan!.underlay = "lan#1";
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, {
    state: "degraded",
    why: "no snapshot can hold it: its underlays.0.name must be an interface name",
  });
  await keeper.pass(signal);
  assert.equal((await node.openKeeper()).newest?.network.links[0]?.underlay, "eth0");
});

Deno.test("Keeper.restore() brings a rebooted node's network back", async () => {
  const node = await keptNode();
  await node.reboot();
  node.link = "down";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  assert.deepEqual(node.peers(), SUBNETS);
  assert.equal(await node.fs.readText(PATH), SUBNET_ENV);
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
});

Deno.test("Keeper.restore() leaves what flanneld has set while the agent did not run", async () => {
  for (const link of ["up", "down"] as const) {
    const node = await keptNode();
    node.link = link;
    await node.reboot();
    // The device is another one, a peer was made anew, one is new.
    const device = flannelLink({ mac: macOf(1, 5), port: 4789 });
    const peers = [vxlanPeer(2, 7), vxlanPeer(4)];
    await converge(node.kernel, { links: [device], peers });
    for (const route of node.kernel.routes.values()) route.protocol = "boot";
    const keeper = await node.openKeeper();
    const from = node.kernel.log.length;
    await keeper.restore(0, signal);
    // What flanneld has not (yet) costs nothing.
    assert.deepEqual(node.kernel.log.slice(from).map((line) => line.split(" ", 3).join(" ")), [
      "neigh replace 10.244.3.0",
      `fdb replace ${macOf(3)}`,
      "route replace 10.244.3.0/24",
    ], link);
    await keeper.pass(signal);
    assert.equal(node.kernel.links.get("flannel.1")!.mac, macOf(1, 5), link);
    assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7), link);
    assert.deepEqual(keeper.state, { state: "kept" }, link);
  }
});

Deno.test("Keeper holds the network while the link is down, whatever undoes it", async () => {
  const node = await keptNode();
  node.link = "down";
  const keeper = await node.openKeeper();
  for (
    const [program, line] of [
      ["ip", "link delete dev flannel.1"],
      ["ip", "route delete 10.244.2.0/24 via 10.244.2.0 dev flannel.1"],
      ["ip", "neigh delete 10.244.3.0 dev flannel.1"],
      ["ip", "link set dev flannel.1 address 8a:00:00:00:00:99"],
      ["bridge", "fdb delete 8a:00:00:00:00:02 dst 192.168.5.2 dev flannel.1 self"],
    ] as const
  ) {
    node.kernel.change(program, line.split(" "));
    await keeper.pass(signal);
    assert.deepEqual(keeper.state, { state: "kept" }, line);
    assert.deepEqual(node.peers(), SUBNETS, line);
    assert.equal(node.kernel.links.get("flannel.1")?.mac, macOf(1), line);
    assert.deepEqual([node.kernel.neighbours.size, node.kernel.fdb.size], [2, 2], line);
  }
});

Deno.test("Keeper leaves the network to flanneld while the link is up", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  node.kernel.change("ip", "route delete 10.244.2.0/24 via 10.244.2.0 dev flannel.1".split(" "));
  await keeper.pass(signal);
  assert.deepEqual(node.peers(), ["10.244.3.0/24"]);
});

Deno.test("Keeper looks after its own entries until flanneld has taken over, when nobody knows of the link", async () => {
  const node = await keptNode();
  await node.reboot();
  node.link = "unknown";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  node.kernel.change("ip", "neigh delete 10.244.2.0 dev flannel.1".split(" "));
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.size, 2);
  for (const route of node.kernel.routes.values()) route.protocol = "boot";
  node.kernel.change("ip", "neigh delete 10.244.2.0 dev flannel.1".split(" "));
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.size, 1);
});

Deno.test("Keeper leaves flanneld what that has taken over, when nobody knows of the link", async () => {
  const node = await keptNode();
  await node.reboot();
  node.link = "unknown";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  // The node of the other one is gone: flanneld never takes it over.
  for (
    const [program, line] of [
      ["bridge", `fdb replace ${macOf(2, 7)} dst 192.168.5.2 dev flannel.1 self permanent`],
      ["ip", `neigh replace 10.244.2.0 lladdr ${macOf(2, 7)} nud permanent dev flannel.1`],
      ["ip", "route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink"],
    ] as const
  ) node.kernel.change(program, line.split(" "));
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
  assert.deepEqual(node.peers(), SUBNETS);
});

Deno.test("S36 Keeper brings restored peers up to what the cluster says once the link is up", async () => {
  const node = await keptNode();
  await node.reboot();
  node.link = "down";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  node.link = "up";
  node.nodes = [factsOf(1), factsOf(3, { vtepMac: macOf(3, 7) })];
  await keeper.pass(signal);
  assert.deepEqual(node.peers(), ["10.244.3.0/24"]);
  assert.deepEqual([...node.kernel.neighbours.values()], [macOf(3, 7)]);
  assert.deepEqual(keeper.newest?.network.podCidrs, ["10.244.1.0/24"]);
  assert.deepEqual(keeper.newest?.network.peers.map(({ subnet }) => subnet), ["10.244.3.0/24"]);
});

Deno.test.each([
  { name: "are as old as the outage", nodes: [factsOf(1)], isHeard: false },
  { name: "do not have this node among them", nodes: [factsOf(9)], isHeard: true },
  { name: "are none at all", nodes: [], isHeard: true },
])("S36 Keeper takes no peer away for Nodes that $name", async ({ nodes, isHeard }) => {
  const node = await keptNode();
  await node.reboot();
  node.link = "down";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  Object.assign(node, { link: "up", nodes, isHeard });
  await keeper.pass(signal);
  assert.deepEqual(node.peers(), SUBNETS);
  assert.deepEqual(keeper.newest?.network.peers.map(({ subnet }) => subnet), SUBNETS);
});

Deno.test("Keeper sets what another node tells of itself, and keeps it over a reboot", async () => {
  const node = await keptNode();
  node.link = "down";
  const keeper = await node.openKeeper();
  keeper.notice({
    node: "edge-2",
    podCidrs: ["10.244.2.0/24"],
    vteps: [{ mac: macOf(2, 7), endpoint: "192.168.5.99" }],
  });
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
  await node.reboot();
  await (await node.openKeeper()).restore(0, signal);
  assert.equal(node.kernel.fdb.get(`flannel.1 ${macOf(2, 7)}`), "192.168.5.99");
});

Deno.test("Keeper tells the others when DHCP gave another address while the link is down", async () => {
  const node = await keptNode();
  await node.reboot();
  node.link = "down";
  node.kernel.links.get("eth0")!.addresses[0]!.address = "192.168.5.77";
  const keeper = await node.openKeeper();
  await keeper.restore(0, signal);
  await keeper.pass(signal);
  await keeper.pass(signal);
  assert.deepEqual(node.announced.map(({ vteps }) => vteps), [
    [{ mac: macOf(1), endpoint: "192.168.5.77" }],
  ]);
  assert.equal(keeper.newest?.network.links[0]?.local, "192.168.5.77");
});

Deno.test("Keeper tells that it can't look after the network, and goes on when it can again", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  const { run } = node.kernel;
  node.kernel.run = () => Promise.reject(new Error("fork failed"));
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "failed", why: "fork failed" });
  node.kernel.run = run;
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
});

Deno.test("Keeper tells of settings that it can't make once, until there are others", async () => {
  const node = await keptNode();
  const { programs } = node.kernel;
  let loaded = "br_netfilter 1 0\n";
  let why = "";
  programs.set("cat", () => ({ code: 0, stdout: loaded, stderr: "" }));
  programs.set("modprobe", () => ({ code: 1, stdout: "", stderr: why }));
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  node.link = "down";
  // Nothing of the network itself is to be changed meanwhile.
  loaded = "";
  for (const each of ["not permitted", "not permitted", "not found"]) {
    why = each;
    await keeper.pass(signal);
    assert.deepEqual(keeper.failures.complaints, [`modprobe br_netfilter: ${each}`]);
  }
  const status = snapshotStatus(keeper, {
    ...{ link: node.link, nodes: undefined, peersAreTold: false, stickyIps: { state: "off" } },
  });
  assert.deepEqual(status.complaints, keeper.failures.complaints);
  assert.deepEqual(
    node.log.of("settings that pods need can not be made").map(({ level, data }) => [level, data]),
    ["not permitted", "not found"].map((each) => [
      "warn",
      { complaints: [`modprobe br_netfilter: ${each}`] },
    ]),
  );
  loaded = "br_netfilter 1 0\n";
  await keeper.pass(signal);
  assert.deepEqual(keeper.failures.complaints, []);
});

Deno.test("Keeper switches on while the link is down what pods need, and says so", async () => {
  const node = await keptNode();
  let forward = "1";
  node.kernel.programs.set("sysctl", (args) => {
    if (args.includes("-w")) forward = args.at(-1)!.split("=")[1]!;
    return { code: 0, stdout: `net.ipv4.ip_forward = ${forward}\n`, stderr: "" };
  });
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  forward = "0";
  node.link = "down";
  assert.equal(await keeper.pass(signal), true);
  assert.equal(forward, "1");
  const [told] = node.log.of("network put back");
  assert.deepEqual(told?.data?.settings, ["sysctl -q -w net.ipv4.ip_forward=1"]);
  assert.equal(await keeper.pass(signal), false);
});

Deno.test("Keeper holds what it saw last while the disk takes nothing", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  node.fs.fault = (op) => op === "create" ? { code: "ENOSPC" } : undefined;
  // flanneld learns that a peer was made anew, then the link goes.
  await converge(node.kernel, { links: [flannelLink()], peers: [vxlanPeer(2, 7), vxlanPeer(3)] });
  await keeper.pass(signal);
  assert.equal(keeper.state.state, "failed");
  node.link = "down";
  await keeper.pass(signal);
  assert.equal(node.kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
  node.fs.fault = () => undefined;
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
  assert.deepEqual((await node.openKeeper()).newest?.network.peers[0], vxlanPeer(2, 7));
});

const STATE = "/var/lib/edge-agent";

Deno.test("Keeper writes for pods alone at most once in an interval", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  const podsOnDisk = async () =>
    (await node.openKeeper()).newest!.network.pods.map(({ name }) => name);
  // The first of this agent.
  await addPod(node.fs, "a", "10.244.1.5");
  await keeper.pass(signal);
  assert.deepEqual(await podsOnDisk(), ["a"]);
  await addPod(node.fs, "b", "10.244.1.6");
  await node.clock.advance(299_000);
  await keeper.pass(signal);
  assert.deepEqual(await podsOnDisk(), ["a"]);
  assert.deepEqual(keeper.state, { state: "kept" });
  await node.clock.advance(1_000);
  await keeper.pass(signal);
  assert.deepEqual(await podsOnDisk(), ["a", "b"]);
  // What restores need is written at once, and pods with it.
  await addPod(node.fs, "c", "10.244.1.7");
  await node.runFlannel([vxlanPeer(4)]);
  await keeper.pass(signal);
  assert.deepEqual(await podsOnDisk(), ["a", "b", "c"]);
});

Deno.test.each([
  {
    name: "damaged",
    damage: (node: TestNode) => node.fs.writeAtomic(`${STATE}/network.json`, "{", 0o600),
  },
  { name: "gone", damage: (node: TestNode) => node.fs.remove(`${STATE}/network.json`) },
])(
  "Keeper writes a newest snapshot again once that is $name, though nothing changed",
  async ({ damage }) => {
    const node = await keptNode();
    await node.fs.link(`${STATE}/network.json`, `${STATE}/network.prev.json`);
    await damage(node);
    const keeper = await node.openKeeper();
    for (let i = 0; i < 2; i++) await keeper.pass(signal);
    for (const name of ["network.json", "network.prev.json"]) {
      assert.deepEqual(
        parseSnapshot(await node.fs.readText(`${STATE}/${name}`)).network.peers,
        PEERS,
      );
    }
    assert.equal(keeper.newest?.generation, 2);
  },
);

Deno.test("Keeper tells once of a cluster that has no Node of this name", async () => {
  const node = await keptNode();
  const keeper = await node.openKeeper();
  const passWith = async (...nodes: number[]) => {
    node.nodes = nodes.map((n) => factsOf(n));
    await keeper.pass(signal);
    return node.log.of("the cluster has no such Node: set snapshot.nodeName");
  };
  node.isHeard = false;
  assert.deepEqual(await passWith(2), []);
  node.isHeard = true;
  assert.deepEqual(await passWith(1, 2), []);
  await passWith(2);
  assert.deepEqual((await passWith(2)).map(({ level, data }) => [level, data]), [
    ["warn", { node: "edge-1" }],
  ]);
  await passWith(1, 2);
  assert.equal((await passWith(2)).length, 2);
});

Deno.test("Keeper begins anew on a disk without a usable snapshot", async () => {
  const node = await keptNode();
  for (const name of ["network.json", "network.prev.json"]) {
    await node.fs.writeAtomic(`/var/lib/edge-agent/${name}`, "broken", 0o600);
  }
  const keeper = await node.openKeeper();
  assert.equal(keeper.newest, undefined);
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
});
