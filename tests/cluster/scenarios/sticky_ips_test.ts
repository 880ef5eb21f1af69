import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import { type EdgeSite, reachEachOther } from "../site/edge_site.ts";
import type { FlannelOptions } from "../site/flannel.ts";
import { NETWORK_NAME } from "../site/flannel.ts";
import { shareLab } from "../site/lab.ts";
import type { Pod } from "../site/pod.ts";
import { SnapshotSite } from "./snapshot_site.ts";

const test = await shareLab();

const STORE = `/var/lib/cni/networks/${NETWORK_NAME}`;

/** Files of host-local's store that stand for an address. */
async function stored(host: EdgeHost): Promise<string[]> {
  const names = await readdir(host.outside(STORE));
  return names.filter((name) => name !== "lock" && !name.startsWith("last_reserved_ip")).sort();
}

function addressesOf(pods: readonly Pod[]): string[] {
  return pods.flatMap(({ ips }) => ips);
}

/** Names with the addresses that belong to them. */
function table(pods: readonly Pod[]): Record<string, readonly string[]> {
  return Object.fromEntries(pods.map(({ id, ips }) => [id.name, ips]));
}

async function reboot(lab: SnapshotSite, host: EdgeHost): Promise<void> {
  await host.powerOff();
  await host.boot();
  const { code, stderr } = await lab.agentOf(host).run("snapshot", "restore");
  assert.equal(code, 0, stderr);
}

const FAMILIES: readonly { name: string; flannel: FlannelOptions; count: number }[] = [
  { name: "IPv4", flannel: {}, count: 30 },
  { name: "both families", flannel: { dualStack: true }, count: 10 },
];

for (const { name, flannel, count } of FAMILIES) {
  test(
    `S33 ${name}: after every reboot all pods have their addresses again, whatever became of their deletion`,
    async (site) => {
      const lab = await SnapshotSite.start(site);
      const [a] = site.hosts as [EdgeHost];
      const names = Array.from({ length: count }, (_, i) => `pod-${i}`);
      await Promise.all(names.map((each) => a.pods.add("default", each)));
      await lab.keptAll();
      await site.blackhole();
      for (let round = 1; round <= 3; round++) {
        const former = table(a.pods.all);
        await reboot(lab, a);
        const ways = ["before", "after", "never"] as const;
        const restarting = a.pods.restart({
          del: ({ id }) => ways[(Number(/\d+$/.exec(id.name)![0]) + round) % 3]!,
          order: (pods) => pods.toSorted(() => Math.random() - 0.5),
        });
        // Newcomers must not take what belongs to those who come back.
        const newcomers = Array.from({ length: 3 }, (_, i) => `new-${round}-${i}`);
        await Promise.all([
          restarting,
          ...newcomers.map((each) => a.pods.add("default", each)),
        ]);
        const now = table(a.pods.all);
        for (const each of Object.keys(former)) assert.deepEqual(now[each], former[each], each);
        const all = addressesOf(a.pods.all);
        assert.equal(new Set(all).size, all.length, "an address was given twice");
        for (const each of newcomers) {
          await a.pods.delete(a.pods.all.find(({ id }) => id.name === each)!);
        }
      }
      // Only living pods and those of which nobody has said yet that they are gone have an address.
      const living = new Set(addressesOf(a.pods.all));
      const held = (await stored(a)).filter((ip) => !living.has(ip));
      assert.equal(held.length, 9 * a.podCidrs.length, `held: ${held}`);
    },
    { flannel },
  );
}

test("S33 pods that are older than the agent keep their addresses, too", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  const { kubeconfig } = site.flannel;
  const flanneld = a.startFlanneld({ kubeconfig });
  const other = site.hosts[1]!.startFlanneld({ kubeconfig });
  await Promise.all([a.flannelReady(flanneld, 1), site.hosts[1]!.flannelReady(other, 1)]);
  const older = await Promise.all(["x", "y", "z"].map((name) => a.pods.add("default", name)));
  await flanneld.stop();
  await other.stop();

  const lab = await SnapshotSite.start(site);
  await lab.keptAll();
  await lab.agentOf(a).logged("pods keep their addresses from now on");
  await site.blackhole();
  await reboot(lab, a);
  // Others come first, and all deletions run before anything is added again.
  await Promise.all(["n1", "n2", "n3"].map((name) => a.pods.add("default", name)));
  await a.pods.restart();
  const now = table(a.pods.all);
  for (const pod of older) assert.deepEqual(now[pod.id.name], pod.ips);
});

test("S33 files without content, as a power cut leaves them, keep no pod from its address and no address from pods", async (site) => {
  const lab = await SnapshotSite.start(site);
  const [a] = site.hosts as [EdgeHost];
  const pods = await Promise.all(["x", "y"].map((name) => a.pods.add("default", name)));
  await lab.keptAll();
  await site.blackhole();
  await a.powerOff();
  for (const ip of [...addressesOf(pods), "10.244.1.200"]) {
    await writeFile(a.outside(join(STORE, ip)), "");
  }
  const scratch = a.outside("/var/lib/cni/flannel");
  for (const name of await readdir(scratch)) await writeFile(join(scratch, name), "");
  await a.boot();
  assert.equal((await lab.agentOf(a).run("snapshot", "restore")).code, 0);
  await a.pods.restart();
  const now = table(a.pods.all);
  for (const pod of pods) assert.deepEqual(now[pod.id.name], pod.ips);
  assert.deepEqual(await stored(a), addressesOf(pods).sort());
});

test("S33 leaving gives every pod back to host-local: none hangs on deletion", async (site: EdgeSite) => {
  const lab = await SnapshotSite.start(site);
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const [one, , two] = await Promise.all([
    a.pods.add("default", "one"),
    a.pods.add("default", "other"),
    b.pods.add("default", "two"),
  ]);
  await lab.keptAll();
  await lab.agentOf(a).kill();
  const { code, stdout, stderr } = await lab.agentOf(a).run("snapshot", "leave");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /2 running pods were handed over/);
  await reachEachOther(one, two);
  const files = async (folder: string) => await readdir(a.outside(folder));
  assert.deepEqual(await files("/etc/cni/net.d"), ["10-flannel.conflist"]);
  assert.ok(!(await files("/opt/cni/bin")).includes("edge-agent"));
  for (const pod of a.pods.all) await a.pods.delete(pod);
  assert.deepEqual(await stored(a), []);
  // And the plain node works on.
  await a.pods.add("default", "later");
});

test("S33 our config follows flannel's, and what can't be understood is refused with the reason", async (site) => {
  const lab = await SnapshotSite.start(site);
  const [a] = site.hosts as [EdgeHost];
  const OURS = "/etc/cni/net.d/05-edge-agent.conflist";
  const THEIRS = "/etc/cni/net.d/10-flannel.conflist";
  const read = async (path: string) => JSON.parse((await a.kernel.file(path)) ?? "null");
  const theirs = await read(THEIRS);
  theirs.plugins[0].delegate.hairpinMode = false;
  await a.writeFile(THEIRS, JSON.stringify(theirs));
  await until("our config to follow", async () => {
    const ours = await read(OURS);
    return ours.plugins[0].delegate.hairpinMode === false &&
      ours.plugins[0].ipam.type === "edge-agent" && ours.name === theirs.name;
  });
  const before = await a.kernel.file(OURS);
  theirs.plugins[0].ipam = { type: "dhcp" };
  await a.writeFile(THEIRS, JSON.stringify(theirs));
  await lab.agentOf(a).logged("pods can not keep their addresses");
  assert.match(await lab.agentOf(a).log(), /ipam\.type is \\"dhcp\\", not \\"host-local\\"/);
  assert.equal(await a.kernel.file(OURS), before);
});
