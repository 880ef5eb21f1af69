import assert from "node:assert/strict";
import { until } from "../poll.ts";
import { AuditLog } from "../scenarios/audit.ts";
import type { EdgeHost } from "./edge_host.ts";
import { reachEachOther } from "./edge_site.ts";
import { note, shareLab } from "./lab.ts";

const audit = await AuditLog.create(["nodes", "nodes/status"]);
const test = await shareLab({ extraArguments: { "kube-apiserver": audit.arguments } });
Deno.test.afterAll(() => audit[Symbol.asyncDispose]());

test("flanneld starts link-down with the agent as its only API", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const agent = await a.installAgent({ identities: [site.flannelIdentity] });
  await agent.start();
  const own = { kubeconfig: agent.kubeconfig("flannel") };
  const there = b.startFlanneld({ kubeconfig: site.flannel.kubeconfig });
  const here = a.startFlanneld(own);
  const [before] = await Promise.all([a.flannelReady(here, 1), b.flannelReady(there, 1)]);
  const [one, two] = await Promise.all([
    a.pods.add("default", "one"),
    b.pods.add("default", "two"),
  ]);
  await reachEachOther(one, two);
  // What it is, and that the network is there.
  const path = `/api/v1/nodes/${a.name}/status`;
  const patches = await until("flanneld to have told all", async () => {
    const all = await audit.of(path);
    return all.length >= 2 && all;
  });

  await agent.onDisk(before.vteps["flannel.1"]!.mac);

  await site.blackhole();
  await a.powerOff();
  await a.boot();
  await agent.start();
  const started = performance.now();
  const again = a.startFlanneld(own);
  const after = await a.flannelReady(again, 1);
  note(`flanneld was ready ${Math.round(performance.now() - started)} ms after its start`);
  assert.equal(after.vteps["flannel.1"]?.mac, before.vteps["flannel.1"]?.mac);
  assert.equal(after.subnetEnv, before.subnetEnv);
  const [restarted] = await a.pods.restart();
  await reachEachOther(restarted!, two);
  again.assertRunning();
  // All that it wanted to write is the condition that it writes at each start, which may fail.
  const refused = (await again.log()).match(/Cannot PATCH/g);
  assert.equal(refused?.length, 1);
  assert.match(await again.log(), /CompleteLease execute error/);
  assert.deepEqual(await audit.of(path), patches);
});
