import assert from "node:assert/strict";
import { fakeNode } from "../../../tests/testing/ipam_node.ts";
import { dropExpired } from "./expiry.ts";

const DAY_MS = 86_400_000;
const LIMITS = {
  holdTtlMs: 7 * DAY_MS,
  recordTtlMs: 30 * DAY_MS,
  idleRecords: 1_000,
  atOnce: 500,
};

const RECORDS = "/var/lib/edge-agent/ipam/cbr0";
const hold = (pod: string) => `edge-agent-hold\r\n${pod}`;

Deno.test("dropExpired() drops holds and records that are too old, and none of a pod that has its address", async () => {
  const { node, fs, clock } = fakeNode();
  const running = (await node.add("default/running"))!;
  const old = (await node.add("default/old"))!;
  await node.del("default/old", old.id);
  await clock.advance(6 * DAY_MS);
  const { id } = (await node.add("default/young"))!;
  await node.del("default/young", id);
  await clock.advance(2 * DAY_MS);
  assert.deepEqual(await dropExpired(node, node.network, LIMITS, clock.now()), {
    ...{ holds: 1, records: 0, more: false },
  });
  assert.deepEqual(await node.store(), {
    [running.ips[0]!]: `${running.id}\r\neth0`,
    "10.244.1.4": hold("default/young"),
  });
  // A pod whose address is free gets it back all the same, for as long as it is known.
  assert.deepEqual((await node.add("default/old"))?.ips, old.ips);
  await clock.advance(40 * DAY_MS);
  assert.deepEqual(await dropExpired(node, node.network, LIMITS, clock.now()), {
    ...{ holds: 1, records: 1, more: false },
  });
  assert.equal((await fs.list(RECORDS)).length, 2);
});

Deno.test("dropExpired() keeps the number of records down that job after job leaves", async () => {
  const { node, fs, clock } = fakeNode();
  node.ranges = [[{ subnet: "10.244.1.0/28" }]]; // 13 addresses
  const limits = { ...LIMITS, idleRecords: 20, atOnce: 15 };
  const running = (await node.add("default/running"))!;
  for (let i = 0; i < 60; i++) {
    const { id } = (await node.add(`default/job-${i}`))!;
    await node.del(`default/job-${i}`, id);
    await clock.advance(60_000);
  }
  assert.equal((await fs.list(RECORDS)).length, 61);
  const dropped: unknown[] = [];
  for (let more = true; more;) {
    const expired = await dropExpired(node, node.network, limits, clock.now());
    dropped.push(expired.records);
    more = expired.more;
  }
  const left = await fs.list(RECORDS);
  const used = Object.keys(await node.store()).length;
  assert.equal(left.length, 20 + used);
  assert.deepEqual(dropped, [15, 61 - 15 - left.length]);
  // The youngest are those that stay.
  const texts = await Promise.all(left.map((name) => fs.readText(`${RECORDS}/${name}`)));
  const names = new Set(texts.map((text) => JSON.parse(text).name));
  assert.ok(names.has("running") && names.has("job-59") && !names.has("job-0"));
  assert.equal((await node.store())[running.ips[0]!], `${running.id}\r\neth0`);
});

Deno.test("dropExpired() leaves the record of a pod that starts meanwhile", async () => {
  const { node, fs, clock } = fakeNode();
  const first = (await node.add("default/web-0"))!;
  await node.del("default/web-0", first.id);
  await clock.advance(31 * DAY_MS);
  const lock = fs.lock.bind(fs);
  fs.lock = async (path, timeoutMs) => {
    fs.lock = lock;
    await node.add("default/web-0");
    // As on a range that is shared with others: what the record says is not what the pod has.
    await fs.remove(`${node.dir}/${first.ips[0]}`);
    return await lock(path, timeoutMs);
  };
  assert.equal((await dropExpired(node, node.network, LIMITS, clock.now())).records, 0);
  assert.equal((await fs.list(RECORDS)).length, 1);
});
