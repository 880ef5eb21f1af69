import assert from "node:assert/strict";
import { createExec } from "../../src/platform/exec.ts";
import { createFs } from "../../src/platform/fs.ts";
import { type IpamNode, realNode } from "../testing/ipam_node.ts";
import { realHostLocal } from "../testing/real_host_local.ts";

const cniPath = await realHostLocal();
const V4 = [[{ subnet: "10.244.1.0/24" }]];
const DUAL = [...V4, [{ subnet: "fd00:10:244:1::/64" }]];

function test(name: string, ranges: unknown[], body: (node: IpamNode) => Promise<void>): void {
  Deno.test({
    name,
    ignore: cniPath === undefined,
    fn: async () => {
      await using subject = await realNode(createExec(), createFs(), cniPath!);
      subject.node.ranges = ranges;
      await body(subject.node);
    },
  });
}

const podsOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `default/${name}-${i}`);

/** The same order in every run, and none that follows from the names. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const keyed = items.map((item, i) => [Math.sin(seed + i * 7919), item] as const);
  return keyed.toSorted(([a], [b]) => a - b).map(([, item]) => item);
}

async function startAll(node: IpamNode, pods: readonly string[]) {
  const started = await Promise.all(pods.map(async (pod) => [pod, await node.add(pod)] as const));
  return new Map(started.map(([pod, got]) => {
    assert.ok(got, `${pod} got no address`);
    return [pod, got];
  }));
}

for (const [family, ranges] of [["IPv4", V4], ["dual stack", DUAL]] as const) {
  test(
    `S33 30 pods at once, a third of them new, keep their addresses over a reboot: ${family}`,
    ranges,
    async (node) => {
      const old = podsOf("web", 20);
      const before = await startAll(node, old);
      await node.reboot();
      await node.collect();
      // One third gets its DEL before, one after, one never.
      const [early, late] = [old.slice(0, 7), old.slice(7, 14)];
      for (const pod of early) await node.del(pod, before.get(pod)!.id);
      const after = await startAll(node, shuffled([...old, ...podsOf("new", 10)], 1));
      for (const pod of late) await node.del(pod, before.get(pod)!.id);
      for (const pod of old) assert.deepEqual(after.get(pod)!.ips, before.get(pod)!.ips, pod);
      const all = [...after.values()].flatMap(({ ips }) => ips);
      assert.equal(new Set(all).size, 30 * ranges.length);
      const store = await node.store();
      for (const { id, ips } of after.values()) {
        for (const ip of ips) assert.equal(store[ip], `${id}\r\neth0`);
      }
    },
  );
}

test(
  "S33 a power cut that emptied the store's files costs no pod its address",
  DUAL,
  async (node) => {
    const pods = podsOf("web", 10);
    const before = await startAll(node, pods);
    await node.reboot();
    for (const ip of Object.keys(await node.store())) await node.put(ip, "");
    const { held, freed } = await node.collect();
    assert.deepEqual([held, freed], [20, 0]);
    const after = await startAll(node, shuffled([...podsOf("new", 5), ...pods], 2));
    for (const pod of pods) assert.deepEqual(after.get(pod)!.ips, before.get(pod)!.ips);
  },
);

test("S33 empty files are taken back by ADD when nobody collected them", DUAL, async (node) => {
  const before = await startAll(node, podsOf("web", 3));
  await node.reboot();
  for (const ip of Object.keys(await node.store())) await node.put(ip, "");
  const after = await startAll(node, podsOf("web", 3));
  for (const [pod, { ips }] of before) assert.deepEqual(after.get(pod)!.ips, ips);
});

test("S33 a full range serves new pods out of the oldest holds, and never gives an address twice", [
  [{
    subnet: "10.244.1.0/28",
  }],
], async (node) => {
  const old = podsOf("old", 13);
  const before = await startAll(node, old);
  assert.equal(await node.add("default/too-many"), undefined);
  for (const [pod, { id }] of before) await node.del(pod, id);
  assert.equal(Object.keys(await node.store()).length, 13);
  await startAll(node, podsOf("new", 13));
  assert.equal(await node.add("default/too-many"), undefined);
});

test(
  "S33 twenty reboots, some without a DEL, leave the store as large as the first",
  DUAL,
  async (node) => {
    const pods = podsOf("web", 8);
    let running = await startAll(node, pods);
    const first = new Map(running);
    const records = () => node.fs.list(`${node.paths.records}/cbr0`);
    const size = Object.keys(await node.store()).length;
    for (let boot = 0; boot < 20; boot++) {
      const before = running;
      // A pod that starts and is cut off by the power: nothing but the store knows it.
      await node.add(`default/job-${boot}`);
      const [lost] = [...node.live].at(-1)!;
      await node.fs.remove(`${node.results}/cbr0-${lost}-eth0`);
      await node.reboot();
      // Every hold and record counts as old: the clock of the test stands still.
      await node.collect({ holdTtlMs: -1e9, recordTtlMs: -1e9 });
      running = await startAll(node, shuffled(pods, boot));
      for (const [i, pod] of pods.entries()) {
        if (i % 3 !== 0) await node.del(pod, before.get(pod)!.id);
        assert.deepEqual(running.get(pod)!.ips, first.get(pod)!.ips, pod);
      }
    }
    assert.equal(Object.keys(await node.store()).length, size + 2);
    assert.equal((await records()).length, pods.length + 1);
  },
);

test("S33 a late second DEL does not touch the next owner", V4, async (node) => {
  const pod = "default/web-0";
  const first = (await node.add(pod))!;
  await node.del(pod, first.id);
  const second = (await node.add(pod))!;
  await node.del(pod, first.id, { env: { CNI_NETNS: "" } });
  assert.deepEqual(await node.store(), { [second.ips[0]!]: `${second.id}\r\neth0` });
});

test(
  "S33 pods of before the agent keep their addresses, by libcni's cache alone",
  DUAL,
  async (node) => {
    const before = await startAll(node, podsOf("web", 5));
    // As if plain host-local had served them: no records.
    for (const file of await node.fs.list(`${node.paths.records}/cbr0`)) {
      await node.fs.remove(`${node.paths.records}/cbr0/${file}`);
    }
    await node.reboot();
    const after = await startAll(node, shuffled([...podsOf("new", 5), ...podsOf("web", 5)], 3));
    for (const [pod, { ips }] of before) assert.deepEqual(after.get(pod)!.ips, ips);
  },
);
