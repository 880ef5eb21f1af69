import assert from "node:assert/strict";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import { type EdgeSite, reachEachOther } from "../site/edge_site.ts";
import type { FlannelState } from "../site/flannel_state.ts";
import { note, shareLab } from "../site/lab.ts";
import { AuditLog } from "./audit.ts";
import { SnapshotSite } from "./snapshot_site.ts";

const audit = await AuditLog.create(["nodes", "nodes/status"]);
const test = await shareLab({ extraArguments: { "kube-apiserver": audit.arguments } });
Deno.test.afterAll(() => audit[Symbol.asyncDispose]());

/** A state without the numbers that the kernel gives anew. */
function unnumbered({ vteps, ...rest }: FlannelState): unknown {
  const devices = Object.values(vteps).map(({ ifindex: _, ...device }) => device);
  return { ...rest, devices };
}

test("S30 a host rebooted link-down is as it was before flanneld starts, and the other needs to learn nothing", async (site) => {
  const lab = await SnapshotSite.start(site);
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const [one, two] = await Promise.all([
    a.pods.add("default", "one"),
    b.pods.add("default", "two"),
  ]);
  await reachEachOther(one, two);
  const before = await a.flannelState();
  const other = await b.flannelState();
  await lab.keptAll();

  await site.blackhole();
  await a.powerOff();
  await a.boot();
  const { code, stdout, stderr } = await lab.agentOf(a).run("snapshot", "restore");
  assert.equal(code, 0, stderr);
  note(stdout.trim().split("\n")[0]!);
  assert.deepEqual(unnumbered(await a.flannelState()), unnumbered(before));
  assert.deepEqual(await b.flannelState(), other);
  const [restarted] = await a.pods.restart();
  assert.deepEqual(restarted!.ips, one.ips);
  await reachEachOther(restarted!, two);
  assert.deepEqual(await b.flannelState(), other);
});

export type { EdgeSite };
export { until };
