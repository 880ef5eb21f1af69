import assert from "node:assert/strict";
import { until } from "../poll.ts";
import { CniError } from "./cni_runtime.ts";
import type { EdgeHost } from "./edge_host.ts";
import { type EdgeSite, reachEachOther } from "./edge_site.ts";
import { type FlannelOptions, readNode, SUBNET_ENV } from "./flannel.ts";
import { note, shareLab } from "./lab.ts";

const test = await shareLab();

/** Starts flanneld on all hosts, straight at the API server, and waits until it is ready. */
async function startFlannel({ hosts, flannel: { kubeconfig } }: EdgeSite): Promise<void> {
  const services = hosts.map((host) => host.startFlanneld({ kubeconfig }));
  await Promise.all(hosts.map((host, i) => host.flannelReady(services[i]!, hosts.length - 1)));
}

const BACKENDS: readonly { name: string; flannel: FlannelOptions }[] = [
  { name: "vxlan", flannel: {} },
  { name: "vxlan by nftables", flannel: { nftables: true } },
  { name: "vxlan with both families", flannel: { dualStack: true } },
  { name: "vxlan with DirectRouting", flannel: { directRouting: true } },
  { name: "host-gw", flannel: { backend: "host-gw" } },
];

for (const { name, flannel } of BACKENDS) {
  test(`pods of two hosts reach each other by ${name}`, async (site) => {
    const [a, b] = site.hosts as [EdgeHost, EdgeHost];
    await startFlannel(site);
    const [one, two] = await Promise.all([
      a.pods.add("default", "one"),
      b.pods.add("default", "two"),
    ]);
    assert.equal(one.ips.length, a.podCidrs.length);
    await reachEachOther(one, two);
    const { vteps, direct } = await a.flannelState();
    const straight = flannel.directRouting || flannel.backend === "host-gw";
    assert.equal(direct.length, straight ? 1 : 0);
    const tunnels = Object.keys(vteps).sort();
    const v6 = flannel.dualStack ? ["flannel-v6.1"] : [];
    assert.deepEqual(tunnels, flannel.backend === "host-gw" ? [] : [...v6, "flannel.1"]);
    for (const { peers } of Object.values(vteps)) assert.equal(peers.length, straight ? 0 : 1);
  }, { flannel });
}

test("a host that is rebooted link-down has no network for pods without the agent", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  await startFlannel(site);
  const [one, two] = await Promise.all([
    a.pods.add("default", "one"),
    b.pods.add("default", "two"),
  ]);
  await reachEachOther(one, two);
  const [before, other] = await Promise.all([a.flannelState(), b.flannelState()]);
  const node = await readNode(site.cluster, a.name);

  await site.blackhole();
  await a.powerOff();
  const started = performance.now();
  await a.boot();
  note(`booted in ${Math.round(performance.now() - started)} ms`);

  const flanneld = a.startFlanneld({ kubeconfig: site.flannel.kubeconfig });
  await until(
    "flanneld to look for its node",
    async () =>
      (await flanneld.log()).split("Waiting 10m0s for node controller to sync").length === 3,
  );
  await assert.rejects(a.pods.restart(), (error: AggregateError) => {
    const [reason] = error.errors;
    assert.ok(reason instanceof CniError);
    assert.match(reason.message, /subnet\.env: no such file/);
    return true;
  });
  flanneld.assertRunning();
  const after = await a.flannelState();
  assert.deepEqual(after, { vteps: {}, direct: [], subnetEnv: undefined });
  assert.deepEqual(await b.flannelState(), other);
  assert.equal(await two.hears(one.ip), false);

  // It has waited all the time, and is well again as soon as it may be: with its old MAC, but the pod
  // has another address.
  await site.restore();
  const { vteps, subnetEnv } = await a.flannelReady(flanneld, 1);
  assert.equal(subnetEnv, before.subnetEnv);
  assert.equal(vteps["flannel.1"]?.mac, before.vteps["flannel.1"]?.mac);
  const [again] = await a.pods.restart();
  assert.notEqual(again!.ip, one.ip);
  await reachEachOther(again!, two);
  assert.deepEqual(await b.flannelState(), other);
  const { resourceVersion } = node.metadata;
  assert.notEqual((await readNode(site.cluster, a.name)).metadata.resourceVersion, resourceVersion);
});

test("flanneld without NODE_NAME ends when it can't ask for its pod", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  // By a black hole it would be the same after 30 s.
  const cloud = new URL(site.cluster.server).hostname;
  await a.run(["ip", "route", "replace", "unreachable", cloud]);
  const flanneld = a.startFlanneld({
    kubeconfig: site.flannel.kubeconfig,
    env: { NODE_NAME: "", POD_NAME: "kube-flannel-ds-x", POD_NAMESPACE: "kube-flannel" },
  });
  await flanneld.ended;
  assert.match(await flanneld.log(), /Failed to create SubnetManager: error retrieving pod spec/);
  assert.equal(await a.kernel.file(SUBNET_ENV), undefined);
});

test("EdgeSite.addPeers() makes peers that flanneld takes up", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  const peers = await site.addPeers(10);
  const flanneld = a.startFlanneld({ kubeconfig: site.flannel.kubeconfig });
  const { vteps } = await a.flannelReady(flanneld, peers.length);
  assert.deepEqual(
    vteps["flannel.1"]?.peers,
    peers.map(({ podCidrs, mac, publicIp }) => {
      const [subnet] = podCidrs;
      return { subnet, gateway: subnet!.replace(/\/.*/, ""), mac, publicIp };
    }).sort((one, other) => one.subnet! < other.subnet! ? -1 : 1),
  );
  assert.deepEqual(
    vteps["flannel-v6.1"]?.peers.map(({ mac }) => mac).sort(),
    peers.map(({ mac6 }) => mac6).sort(),
  );
}, { hosts: ["edge-a"], flannel: { dualStack: true } });

test("flanneld adopts a device that is there before it, MAC and MTU and all", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  const [mac, mtu] = ["02:00:00:ad:00:01", 1400];
  await a.run([
    ...["ip", "link", "add", "dev", "flannel.1", "address", mac, "mtu", `${mtu}`, "type", "vxlan"],
    ...["id", "1", "dev", a.nic.name, "local", a.nic.address!, "dstport", "8472", "nolearning"],
  ]);
  const before = await a.kernel.link("flannel.1");
  const flanneld = a.startFlanneld({ kubeconfig: site.flannel.kubeconfig });
  const { vteps, subnetEnv } = await a.flannelReady(flanneld, 0);
  const { ifindex } = vteps["flannel.1"]!;
  assert.deepEqual(
    { ifindex, mac: vteps["flannel.1"]?.mac, mtu: vteps["flannel.1"]?.mtu },
    { ifindex: before?.ifindex, mac, mtu },
  );
  // The pods are told what flanneld would have made.
  assert.match(subnetEnv!, /FLANNEL_MTU=1450/);
  const { metadata } = await readNode(site.cluster, a.name);
  const announced = metadata.annotations?.["flannel.alpha.coreos.com/backend-data"];
  assert.deepEqual(JSON.parse(announced!), { VNI: 1, VtepMAC: mac });
}, { hosts: ["edge-a"] });

test("flanneld makes a device anew whose address is another", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  await a.run([
    ...["ip", "link", "add", "dev", "flannel.1", "address", "02:00:00:ad:00:01", "type", "vxlan"],
    ...["id", "1", "dev", a.nic.name, "local", "10.206.0.99", "dstport", "8472", "nolearning"],
  ]);
  const before = await a.kernel.link("flannel.1");
  const flanneld = a.startFlanneld({ kubeconfig: site.flannel.kubeconfig });
  const { vteps } = await a.flannelReady(flanneld, 0);
  assert.notEqual(vteps["flannel.1"]?.ifindex, before?.ifindex);
  assert.notEqual(vteps["flannel.1"]?.mac, before?.address);
  assert.equal(vteps["flannel.1"]?.local, a.nic.address);
}, { hosts: ["edge-a"] });
