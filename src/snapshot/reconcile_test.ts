import assert from "node:assert/strict";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import {
  directPeer,
  factsOf,
  flannelLink,
  macOf,
  vxlanPeer,
} from "../../tests/testing/flannel_network.ts";
import { converge, runOperations } from "./apply.ts";
import { readKernelState } from "./kernel_state.ts";
import type { NodeFacts } from "./node_facts.ts";
import { planReconcile } from "./reconcile.ts";

/** A host on which the agent has restored three peers by vxlan and one without. */
async function restored(): Promise<FakeKernel> {
  const kernel = new FakeKernel();
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24"]);
  const peers = [vxlanPeer(2), vxlanPeer(3), vxlanPeer(4), directPeer(5)];
  await converge(kernel, { links: [flannelLink()], peers });
  return kernel;
}

async function reconcile(kernel: FakeKernel, nodes: NodeFacts[]): Promise<string[]> {
  const from = kernel.log.length;
  const operations = planReconcile(await readKernelState(kernel), nodes, "edge-1");
  assert.deepEqual(await runOperations(kernel, operations), []);
  assert.deepEqual(planReconcile(await readKernelState(kernel), nodes, "edge-1"), []);
  return kernel.log.slice(from);
}

const ALL = [1, 2, 3, 4, 5].map((n) => factsOf(n));

Deno.test("S36 planReconcile() has nothing to do when the cluster is as it was", async () => {
  assert.deepEqual(await reconcile(await restored(), ALL), []);
});

Deno.test("S36 planReconcile() takes away all of a vanished peer, and nothing else", async () => {
  const kernel = await restored();
  const lines = await reconcile(
    kernel,
    ALL.filter(({ name }) => !["edge-3", "edge-5"].includes(name)),
  );
  assert.deepEqual(lines.sort(), [
    "fdb delete 8a:00:00:00:00:03 dst 192.168.5.3 dev flannel.1 self",
    "neigh delete 10.244.3.0 dev flannel.1",
    "route delete 10.244.3.0/24 via 10.244.3.0 dev flannel.1 proto 201",
    "route delete 10.244.5.0/24 via 192.168.5.5 dev eth0 proto 201",
  ]);
});

Deno.test("S36 planReconcile() puts a changed MAC and a changed address right", async () => {
  const kernel = await restored();
  const nodes = ALL.map((node) => {
    if (node.name === "edge-2") return { ...node, vtepMac: macOf(2, 7) };
    if (node.name === "edge-4") return { ...node, publicIp: "192.168.5.99" };
    return node.name === "edge-5" ? { ...node, publicIp: "192.168.5.55" } : node;
  });
  const lines = await reconcile(kernel, nodes);
  assert.deepEqual(lines.sort(), [
    "fdb delete 8a:00:00:00:00:02 dst 192.168.5.2 dev flannel.1 self",
    "fdb replace 8a:00:00:00:00:04 dst 192.168.5.99 dev flannel.1 self permanent",
    "fdb replace 8a:07:00:00:00:02 dst 192.168.5.2 dev flannel.1 self permanent",
    "neigh replace 10.244.2.0 lladdr 8a:07:00:00:00:02 nud permanent dev flannel.1",
    "route replace 10.244.5.0/24 via 192.168.5.55 dev eth0 proto 201",
  ]);
});

Deno.test("S36 planReconcile() leaves alone what flanneld has taken over", async () => {
  const kernel = await restored();
  for (const [subnet, route] of kernel.routes) {
    if (subnet === "10.244.3.0/24") kernel.routes.set(subnet, { ...route, protocol: "boot" });
  }
  assert.deepEqual(await reconcile(kernel, ALL.filter(({ name }) => name !== "edge-3")), []);
});

Deno.test("S36 planReconcile() keeps a peer that the cluster has, but says nothing of", async () => {
  const kernel = await restored();
  const nodes = ALL.map((node) => ({ ...node, publicIp: "", vtepMac: "" }));
  assert.deepEqual(await reconcile(kernel, nodes), []);
});

Deno.test("S36 planReconcile() does not take this node's own subnet for a peer's", async () => {
  const kernel = await restored();
  const lines = await reconcile(kernel, [
    factsOf(1, { podCidrs: ["10.244.2.0/24"] }),
    ...[3, 4, 5].map((n) => factsOf(n)),
  ]);
  assert.equal(lines.filter((line) => line.startsWith("route delete 10.244.2.0/24")).length, 1);
});
