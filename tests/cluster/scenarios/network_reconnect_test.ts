import assert from "node:assert/strict";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import { reachEachOther } from "../site/edge_site.ts";
import { note, shareLab } from "../site/lab.ts";
import type { Peer } from "../site/flannel_state.ts";
import { SnapshotSite } from "./snapshot_site.ts";

const test = await shareLab();

const PREFIX = "flannel.alpha.coreos.com";

/** How long a restored peer may stay wrong once the Nodes are known, ms. */
const LIMIT_MS = 5_000;

test("S36 after a reconnect vanished peers are gone, changed ones are right, and what others set is untouched", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const [gone, remade, moved] = await site.addPeers(3);
  const lab = await SnapshotSite.start(site);
  await Promise.all([a.pods.add("default", "one"), b.pods.add("default", "two")]);
  await lab.keptUntil(a, "all peers to be on disk", ({ content }) => content.peers.length === 4);
  await lab.keptAll();

  await site.blackhole();
  await a.powerOff();
  const kubeconfig = site.cluster.kubeconfigs.backdoor;
  const kubectl = (...args: string[]) => site.cluster.kubectl(args, { kubeconfig });
  await kubectl("delete", "node", gone!.name);
  const annotate = (name: string, key: string, value: string) =>
    kubectl("annotate", "--overwrite", "node", name, `${PREFIX}/${key}=${value}`);
  const NEW_MAC = "02:00:04:de:99:99";
  await annotate(remade!.name, "backend-data", `{"VNI":1,"VtepMAC":"${NEW_MAC}"}`);
  await annotate(moved!.name, "public-ip", "10.208.9.9");
  await a.boot();
  assert.equal((await lab.agentOf(a).run("snapshot", "restore")).code, 0);
  await lab.agentOf(a).start();
  for (
    const argv of [
      ["ip", "route", "add", "10.244.250.0/24", "via", b.nic.address!, "dev", "eth0"],
      ["ip", "neigh", "add", "10.244.251.0", "lladdr", "02:00:00:00:00:51", "dev", "flannel.1"],
      ["bridge", "fdb", "add", "02:00:00:00:00:51", "dev", "flannel.1", "dst", "10.206.0.51"],
      [
        "ip",
        "route",
        "add",
        "10.244.251.0/24",
        "via",
        "10.244.251.0",
        "dev",
        "flannel.1",
        "onlink",
      ],
    ]
  ) await a.run(argv);
  const peers = async () => (await a.flannelState()).vteps["flannel.1"]!.peers;
  const before = await peers();
  assert.equal(before.length, 5);

  await site.restore();
  await lab.agentOf(a).logged("the link is up");
  const upAt = performance.now();
  const expected = before.filter(({ subnet }) => subnet !== gone!.podCidrs[0])
    .map((peer): Peer => {
      if (peer.subnet === remade!.podCidrs[0]) return { ...peer, mac: NEW_MAC };
      if (peer.subnet === moved!.podCidrs[0]) return { ...peer, publicIp: "10.208.9.9" };
      return peer;
    });
  await until(
    "the restored peers to be what the cluster says",
    async () => JSON.stringify(await peers()) === JSON.stringify(expected),
  );
  const tookMs = performance.now() - upAt;
  note(`peers were right ${Math.round(tookMs)} ms after the link was up`);
  assert.ok(tookMs < LIMIT_MS, `${tookMs} ms`);
  // Nothing of the vanished or the former ones stays in any table.
  const tables =
    (await a.run(["sh", "-c", "ip neigh show nud permanent; bridge fdb; ip route"])).stdout;
  for (const trace of [gone!.mac, gone!.publicIp, remade!.mac, moved!.publicIp]) {
    assert.ok(!tables.includes(trace), `${trace} is still in\n${tables}`);
  }
  assert.ok(tables.includes("10.244.250.0/24 via"));

  // flanneld takes over: then nothing is the agent's any more.
  lab.startFlanneld(a);
  await lab.flannelReady(a);
  await until("flanneld to have taken its peers over", async () => {
    const { stdout } = await a.run(["ip", "route", "show", "proto", "201"]);
    return stdout.trim() === "";
  });
  const [one] = await a.pods.restart();
  await reachEachOther(one!, b.pods.all[0]!);
  await lab.keptUntil(a, "the new state to be on disk", ({ content }) => {
    const subnets = content.peers.map(({ subnet }) => subnet);
    return !subnets.includes(gone!.podCidrs[0]!) && subnets.includes(moved!.podCidrs[0]!);
  });
});
