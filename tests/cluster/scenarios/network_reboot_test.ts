import assert from "node:assert/strict";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import { type EdgeSite, reachEachOther } from "../site/edge_site.ts";
import type { FlannelState } from "../site/flannel_state.ts";
import type { FlannelOptions } from "../site/flannel.ts";
import { note, shareLab } from "../site/lab.ts";
import type { Pod } from "../site/pod.ts";
import { AuditLog } from "./audit.ts";
import { SnapshotSite } from "./snapshot_site.ts";

const audit = await AuditLog.create(["nodes", "nodes/status"]);
const test = await shareLab({ extraArguments: { "kube-apiserver": audit.arguments } });
Deno.test.afterAll(() => audit[Symbol.asyncDispose]());

/** Backends that give pods a network, each with what it brings. */
const BACKENDS: readonly { name: string; flannel: FlannelOptions }[] = [
  { name: "vxlan", flannel: {} },
  { name: "vxlan of both families", flannel: { dualStack: true } },
  { name: "vxlan with DirectRouting", flannel: { directRouting: true } },
  { name: "host-gw", flannel: { backend: "host-gw" } },
];

/** A state without the numbers that the kernel gives anew. */
function unnumbered({ vteps, ...rest }: FlannelState): unknown {
  const devices = Object.values(vteps).map(({ ifindex: _, ...device }) => device);
  return { ...rest, devices };
}

/** One pod on each of two hosts, reaching each other, and all of it on disk. */
async function twoPods(site: EdgeSite, lab: SnapshotSite): Promise<[Pod, Pod]> {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const pods = await Promise.all([a.pods.add("default", "one"), b.pods.add("default", "two")]);
  await reachEachOther(...pods);
  await lab.keptAll();
  return pods;
}

/** Power cut and power, and what a unit runs before the container runtime. */
async function reboot(lab: SnapshotSite, host: EdgeHost): Promise<void> {
  await host.powerOff();
  await host.boot();
  const { code, stdout, stderr } = await lab.agentOf(host).run("snapshot", "restore");
  assert.equal(code, 0, stderr);
  note(stdout.trim().split("\n")[0]!);
}

for (const { name, flannel } of BACKENDS) {
  test(
    `S30 ${name}: a host rebooted link-down is as it was before flanneld starts, and the other learns nothing`,
    async (site) => {
      const lab = await SnapshotSite.start(site);
      const [a, b] = site.hosts as [EdgeHost, EdgeHost];
      const [one, two] = await twoPods(site, lab);
      const [before, other] = await Promise.all([a.flannelState(), b.flannelState()]);

      await site.blackhole();
      await reboot(lab, a);
      assert.deepEqual(unnumbered(await a.flannelState()), unnumbered(before));
      const [restarted] = await a.pods.restart();
      assert.deepEqual(restarted!.ips, one.ips);
      await reachEachOther(restarted!, two);
      assert.deepEqual(await b.flannelState(), other);
    },
    { flannel },
  );
}

test("S30 two thousand peers come back as they were, before flanneld starts", async (site) => {
  const lab = await SnapshotSite.start(site);
  const [a] = site.hosts as [EdgeHost];
  await site.addPeers(2_000);
  const what = "all peers to be on disk";
  await lab.keptUntil(a, what, ({ content }) => content.peers.length === 2_001, 60_000);
  const before = await a.flannelState();

  await site.blackhole();
  await reboot(lab, a);
  assert.deepEqual(unnumbered(await a.flannelState()), unnumbered(before));
});

test("S31 both hosts rebooted link-down reach each other again, without flanneld", async (site) => {
  const lab = await SnapshotSite.start(site);
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const before = await twoPods(site, lab);

  await site.blackhole();
  await Promise.all([reboot(lab, a), reboot(lab, b)]);
  const [[one], [two]] = await Promise.all([a.pods.restart(), b.pods.restart()]);
  assert.deepEqual([one!.ips, two!.ips], before.map(({ ips }) => ips));
  await reachEachOther(one!, two!);
});

test("S32 flanneld adopts the restored device link-down, and writes nothing", async (site) => {
  const lab = await SnapshotSite.start(site);
  const [a] = site.hosts as [EdgeHost];
  const [, two] = await twoPods(site, lab);
  const { mac } = (await a.flannelState()).vteps["flannel.1"]!;
  // What flanneld wrote of itself must be what the proxy has on disk.
  await lab.agentOf(a).onDisk(mac);
  const path = `/api/v1/nodes/${a.name}/status`;
  const patches = await until("flanneld to have told all", async () => {
    const all = await audit.of(path);
    return all.length >= 2 && all;
  });

  await site.blackhole();
  await reboot(lab, a);
  const restored = (await a.flannelState()).vteps["flannel.1"]!;
  const [one] = await a.pods.restart();
  await lab.agentOf(a).start();
  const earlier = (await a.run(["cat", "/var/log/flanneld.log"])).stdout.length;
  const flanneld = lab.startFlanneld(a);
  await lab.flannelReady(a);
  const log = await until("flanneld to have tried all that it writes", async () => {
    const text = (await flanneld.log()).slice(earlier);
    return text.includes("Running backend") && text.includes("CompleteLease execute error") && text;
  });
  assert.doesNotMatch(log, /incompatible|recreating/);
  const adopted = (await a.flannelState()).vteps["flannel.1"]!;
  assert.equal(adopted.ifindex, restored.ifindex);
  assert.equal(adopted.mac, mac);
  await reachEachOther(one!, two);

  // All that it wanted to write is the condition that it writes at each start, wherever it is.
  assert.equal(log.match(/Cannot PATCH/g)?.length, 1);
  assert.deepEqual(await audit.of(path), patches);
});
