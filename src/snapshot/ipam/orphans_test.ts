import assert from "node:assert/strict";
import { fakeNode } from "../../../tests/testing/ipam_node.ts";
import { clearHolds } from "./holds.ts";
import { RESULT_FOLDERS } from "./ipam_paths.ts";

const hold = (pod: string) => `edge-agent-hold\r\n${pod}`;
const DAY_MS = 86_400_000;

Deno.test("collectOrphans() frees what is in nobody's books and holds what a record claims", async () => {
  const { node, fs } = fakeNode();
  const kept = (await node.add("default/kept"))!;
  const lost = (await node.add("default/lost"))!;
  await fs.remove(`${node.results}/cbr0-${lost.id}-eth0`);
  await node.put("10.244.1.90", "stranger\r\neth0");
  await node.put("10.244.1.91", "");
  await node.put("10.244.1.92", hold("default/held"));
  await fs.mkdir("/var/lib/cni/flannel", 0o700);
  await fs.createExclusive("/var/lib/cni/flannel/broken", "", 0o600);
  await fs.createExclusive("/var/lib/cni/flannel/sound", "{}", 0o600);
  await node.reboot();
  const before = await fs.list(node.dir);
  assert.deepEqual(await node.collect(), { freed: 2, held: 1, holds: 0, records: 0, scratch: 1 });
  assert.deepEqual(await node.store(), {
    [kept.ips[0]!]: `${kept.id}\r\neth0`,
    [lost.ips[0]!]: hold("default/lost"),
    "10.244.1.92": hold("default/held"),
  });
  assert.deepEqual(await fs.list("/var/lib/cni/flannel"), ["sound"]);
  assert.deepEqual(
    (await fs.list(node.dir)).filter((name) => !/^[\d.]+$/.test(name)),
    before.filter((name) => !/^[\d.]+$/.test(name)),
  );
});

Deno.test.each(RESULT_FOLDERS)(
  "collectOrphans() leaves the addresses of containers that are in libcni's cache %s",
  async (folder) => {
    const { node } = fakeNode();
    node.results = folder;
    await node.put("10.244.1.77", "old\r\neth0");
    await node.cache("default/web-0", "old", "{}");
    assert.equal((await node.collect()).freed, 0);
    assert.deepEqual(Object.keys(await node.store()), ["10.244.1.77"]);
  },
);

Deno.test("collectOrphans() leaves what it does not understand", async () => {
  const { node } = fakeNode();
  await node.put("10.244.1.9", "foreign\r\neth0\r\n/run/netns/x");
  assert.equal((await node.collect()).freed, 0);
  assert.deepEqual(Object.keys(await node.store()), ["10.244.1.9"]);
});

Deno.test("collectOrphans() holds the address of a young record whose file is lost", async () => {
  const { node, clock } = fakeNode();
  const { ips: [ip] } = (await node.add("default/web-0"))!;
  await node.reboot();
  await node.fs.remove(`${node.dir}/${ip}`);
  const limits = { holdTtlMs: DAY_MS, recordTtlMs: 9 * DAY_MS };
  assert.equal((await node.collect(limits)).held, 1);
  assert.deepEqual(await node.store(), { [ip!]: hold("default/web-0") });
  await clock.advance(2 * DAY_MS);
  // Too old now, and not held anew.
  assert.equal((await node.collect(limits)).holds, 1);
  assert.deepEqual(await node.store(), {});
});

Deno.test("collectOrphans() leaves the address of a container that lives", async () => {
  const { node, fs } = fakeNode();
  const { id, ips: [ip] } = (await node.add("default/web-0"))!;
  await fs.remove(`${node.results}/cbr0-${id}-eth0`);
  assert.deepEqual(Object.values(await node.collect()), [0, 0, 0, 0, 0]);
  assert.deepEqual(await node.store(), { [ip!]: `${id}\r\neth0` });
});

Deno.test.each(["is gone", "can't be seen"])(
  "collectOrphans() holds the address of a container whose network namespace %s",
  async (how) => {
    const { node, fs } = fakeNode();
    const { id, ips: [ip] } = (await node.add("default/web-0"))!;
    await fs.remove(`${node.results}/cbr0-${id}-eth0`);
    if (how === "is gone") await fs.remove(node.netnsOf(id));
    else fs.fault = (_, path) => path === node.netnsOf(id) ? { code: "EIO" } : undefined;
    assert.equal((await node.collect()).held, 1);
    assert.deepEqual(await node.store(), { [ip!]: hold("default/web-0") });
  },
);

Deno.test("collectOrphans() drops holds and records that are too old", async () => {
  const { node, fs, clock } = fakeNode();
  const { id } = (await node.add("default/web-0"))!;
  await node.del("default/web-0", id);
  const limits = { holdTtlMs: 7 * DAY_MS, recordTtlMs: 30 * DAY_MS };
  assert.deepEqual(Object.values(await node.collect(limits)), [0, 0, 0, 0, 0]);
  await clock.advance(8 * DAY_MS);
  assert.equal((await node.collect(limits)).holds, 1);
  assert.deepEqual(await node.store(), {});
  await clock.advance(30 * DAY_MS);
  assert.equal((await node.collect(limits)).records, 1);
  assert.deepEqual(await fs.list("/var/lib/edge-agent/ipam/cbr0"), []);
});

Deno.test("collectOrphans() keeps the old record of a pod that has its address", async () => {
  const { node, clock } = fakeNode();
  await node.add("default/web-0");
  await clock.advance(99 * DAY_MS);
  assert.equal((await node.collect({ holdTtlMs: DAY_MS, recordTtlMs: DAY_MS })).records, 0);
});

Deno.test("collectOrphans() drops the old record of a pod whose address another one has", async () => {
  const { node, fs, clock } = fakeNode();
  node.ranges = [[{ subnet: "10.244.1.0/30" }]]; // one address
  const { id } = (await node.add("default/job-1"))!;
  await node.del("default/job-1", id);
  await clock.advance(40 * DAY_MS);
  assert.ok(await node.add("default/job-2"));
  assert.equal((await node.collect()).records, 1);
  assert.equal((await fs.list("/var/lib/edge-agent/ipam/cbr0")).length, 1);
});

Deno.test("clearHolds() drops what belongs to pods that are gone", async () => {
  const { node, fs, clock } = fakeNode();
  for (const pod of ["default/gone", "default/here", "default/gone-and-running"]) {
    const { id } = (await node.add(pod))!;
    if (pod !== "default/gone-and-running") await node.del(pod, id);
  }
  await clock.advance(1_000);
  const known = new Set(["default/here"]);
  const cleared = await clearHolds(node, node.network, known, clock.now());
  assert.deepEqual(cleared, { holds: 1, records: 2 });
  assert.deepEqual(Object.values(await node.store()), [hold("default/here"), "c3\r\neth0"]);
  assert.equal((await fs.list("/var/lib/edge-agent/ipam/cbr0")).length, 1);
});

Deno.test("clearHolds() keeps what is younger than the question", async () => {
  const { node, clock } = fakeNode();
  const askedAtMs = clock.now();
  await clock.advance(10);
  const { id } = (await node.add("default/just-made"))!;
  await node.del("default/just-made", id);
  const cleared = await clearHolds(node, node.network, new Set(), askedAtMs);
  assert.deepEqual(cleared, { holds: 0, records: 0 });
});
