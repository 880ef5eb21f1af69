import assert from "node:assert/strict";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import { type EdgeSite, reachEachOther } from "../site/edge_site.ts";
import { shareLab } from "../site/lab.ts";
import type { Nic } from "../site/nic.ts";
import { SnapshotSite } from "./snapshot_site.ts";

const test = await shareLab();

/** A site whose first host was switched off after all was on disk, and which is cut off now. */
async function offSite(
  site: EdgeSite,
  section: Record<string, unknown> = {},
): Promise<SnapshotSite> {
  const lab = await SnapshotSite.start(site, section);
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  await Promise.all([a.pods.add("default", "one"), b.pods.add("default", "two")]);
  await lab.keptAll();
  await site.blackhole();
  await a.powerOff();
  return lab;
}

/** What `snapshot restore` said. */
async function restore(lab: SnapshotSite, host: EdgeHost): Promise<string> {
  const { code, stdout, stderr } = await lab.agentOf(host).run("snapshot", "restore");
  assert.equal(code, 0, stderr);
  return stdout;
}

async function podsReachEachOther({ hosts }: EdgeSite): Promise<void> {
  const [a, b] = hosts as [EdgeHost, EdgeHost];
  const [one] = await a.pods.restart();
  await reachEachOther(one!, b.pods.all[0]!);
}

test("S35 a network card of another name and index carries the restored network", async (site) => {
  const lab = await offSite(site);
  const [a] = site.hosts as [EdgeHost];
  await a.boot({ name: "enp3s0", index: 40 });
  assert.match(await restore(lab, a), /the network card eth0 is called enp3s0 now/);
  assert.equal((await a.flannelState()).vteps["flannel.1"]?.underlay, "enp3s0");
  await podsReachEachOther(site);
});

test("S35 a host that DHCP gave another address sends from it, and says that the others can't know", async (site) => {
  const lab = await offSite(site);
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const before = (await b.flannelState()).vteps;
  await a.boot({ address: "10.206.0.77" });
  const said = await restore(lab, a);
  assert.match(said, /this node had 10\.206\.0\.11 and has 10\.206\.0\.77 now/);
  assert.match(said, /the other nodes learn it when the cloud is back/);
  assert.equal((await a.flannelState()).vteps["flannel.1"]?.local, "10.206.0.77");
  assert.deepEqual((await b.flannelState()).vteps, before);

  // The limit ends with the outage: flanneld tells its new address, and the other host's takes it up.
  await site.restore();
  await lab.agentOf(a).start();
  lab.startFlanneld(a);
  await until("the other host to know the new address", async () => {
    const { peers } = (await b.flannelState()).vteps["flannel.1"]!;
    return peers.some(({ publicIp }) => publicIp === "10.206.0.77");
  }, { timeoutMs: 30_000 });
  await podsReachEachOther(site);
});

const LATER: readonly {
  name: string;
  boot: Partial<Nic>;
  then: (host: EdgeHost) => Promise<void>;
}[] = [
  {
    name: "no carrier",
    boot: { carrier: false },
    then: (host) => host.setCarrier(true),
  },
  {
    name: "no default route",
    boot: { defaultRoute: false },
    then: () => Promise.resolve(),
  },
];

for (const { name, boot, then } of LATER) {
  test(`S35 ${name}: the network is restored and works as soon as the wire does`, async (site) => {
    const lab = await offSite(site);
    const [a] = site.hosts as [EdgeHost];
    await a.boot(boot);
    await restore(lab, a);
    await then(a);
    await podsReachEachOther(site);
  });
}

test("S35 a network card whose address comes late is waited for, by restore and after it", async (site) => {
  const lab = await offSite(site, { underlayWait: "20s" });
  const [a] = site.hosts as [EdgeHost];
  await a.boot({ address: undefined });
  const restoring = restore(lab, a);
  // Before the cable is there, nothing may be taken for granted.
  await until("subnet.env to be there", () => a.kernel.file("/run/flannel/subnet.env"));
  await a.setAddresses({ address: "10.206.0.11" });
  const said = await restoring;
  assert.match(said, /network put back/);
  assert.doesNotMatch(said, /and has .* now/);
  await podsReachEachOther(site);
});

test("S35 the running agent restores what restore had to leave, and holds it while the link is down", async (site) => {
  const lab = await offSite(site);
  const [a] = site.hosts as [EdgeHost];
  const { mac } = a.nic;
  await a.boot({ name: "away0", mac: "02:00:00:00:99:99", address: undefined });
  assert.match(await restore(lab, a), /left for later.*there is no interface "eth0"/);
  assert.deepEqual((await a.flannelState()).vteps, {});
  await lab.agentOf(a).start();
  await a.run(["ip", "link", "set", "away0", "down"]);
  await a.run(["ip", "link", "set", "away0", "name", "eth0", "address", mac]);
  await a.run(["ip", "link", "set", "eth0", "up"]);
  await a.setAddresses({ name: "eth0", address: "10.206.0.11" });
  const restored = await until("the running agent to restore the network", async () => {
    const { vteps } = await a.flannelState();
    return vteps["flannel.1"]?.peers.length === 1 && vteps["flannel.1"];
  }, { timeoutMs: 20_000 });
  await podsReachEachOther(site);

  // Whoever undoes it: it comes back.
  const gateway = restored.peers[0]!.gateway;
  await a.run(["ip", "neigh", "del", gateway, "dev", "flannel.1"]);
  await a.run(["ip", "route", "del", restored.peers[0]!.subnet]);
  await a.run(["bridge", "fdb", "del", restored.peers[0]!.mac!, "dev", "flannel.1"]);
  await until("the agent to put the peer back", async () => {
    const { vteps } = await a.flannelState();
    return JSON.stringify(vteps["flannel.1"]?.peers) === JSON.stringify(restored.peers);
  }, { timeoutMs: 20_000 });
  await a.run(["ip", "link", "del", "flannel.1"]);
  await until("the agent to put the device back", async () => {
    const { vteps } = await a.flannelState();
    return vteps["flannel.1"]?.mac === restored.mac &&
      JSON.stringify(vteps["flannel.1"]?.peers) === JSON.stringify(restored.peers);
  }, { timeoutMs: 20_000 });
});
