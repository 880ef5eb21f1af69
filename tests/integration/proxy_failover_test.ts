import assert from "node:assert/strict";
import type { LinkState } from "../../src/demo/fault_link.ts";
import { until } from "../cluster/poll.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { type FakePair, startFakePair } from "../testing/fake_pair.ts";

const PATH = "/api/v1/namespaces/default/configmaps";
const SLOW: LinkState = { state: "throttled", bytesPerSecond: Infinity, delayMs: 2_500 };

function configMap(name: string) {
  return { metadata: { name, namespace: "default" }, data: {} };
}

async function names(site: FakePair, query = ""): Promise<string[]> {
  const response = await site.proxy.fetch(`${PATH}?${query}`);
  assert.equal(response.headers.get("warning"), null, "it is not an answer from the cache");
  const { items } = await response.json();
  return items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
}

/** Waits until the first server is in use. */
async function settled(site: FakePair): Promise<void> {
  await until("the first server to be used", () => site.current() === site.urls[0]);
  await until(
    "both servers to be up",
    async () =>
      await site.proxy.metric("edge_agent_proxy_server_state_info", { state: "up" }) === 2,
  );
}

Deno.test("S17 the first server dies: reads, watches and writes go on with the second", async (t) => {
  const ways: Record<string, LinkState> = {
    "black hole": { state: "black-hole" },
    refused: { state: "refused" },
    slow: SLOW,
  };
  for (const [how, state] of Object.entries(ways)) {
    await t.step(how, async () => {
      await using site = await startFakePair();
      await settled(site);
      site.clouds[0].create("configmaps", configMap("a"));
      await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
      assert.equal((await watch.next())?.object.metadata.name, "a");
      const relists = site.clouds[0].audit.relists + site.clouds[1].audit.relists;
      site.links[0].set(state);
      const started = performance.now();
      // In flight to a dead server: tried on the other one.
      const response = await site.proxy.fetch(`${PATH}/a`);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("warning"), null);
      await response.body?.cancel();
      const tookMs = performance.now() - started;
      assert.ok(tookMs < 5_000, `${tookMs} ms`);
      assert.equal(site.current(), site.urls[1]);
      const post = await site.proxy.fetch(PATH, {
        method: "POST",
        body: JSON.stringify(configMap("b")),
        headers: { "content-type": "application/json" },
      });
      assert.equal(post.status, 201);
      await post.body?.cancel();
      assert.equal((await watch.next())?.object.metadata.name, "b");
      assert.deepEqual(await names(site), ["a", "b"]);
      // The one LIST just made, and nothing that a reflector listed again.
      assert.equal(site.clouds[0].audit.relists + site.clouds[1].audit.relists, relists + 1);
      assert.equal(await site.proxy.metric("edge_agent_proxy_failovers_total"), 1);
      assert.equal(await site.proxy.metric("edge_agent_proxy_link_state_info", { state: "up" }), 1);
    });
  }
});

Deno.test("S17 a middlebox in place of the first server: the second one is used", async () => {
  await using site = await startFakePair();
  await settled(site);
  site.clouds[0].create("configmaps", configMap("a"));
  site.clouds[0].faults.next({ kind: "middlebox", code: 503 }, () => true, Infinity);
  site.links[0].set({ state: "refused" });
  site.links[0].set({ state: "up" });
  await until("the second server to be used", async () => {
    const response = await site.proxy.fetch(PATH);
    await response.body?.cancel();
    return site.current() === site.urls[1];
  });
  assert.deepEqual(await names(site), ["a"]);
});

Deno.test("S17 a write whose server dies is never sent to the other one", async () => {
  await using site = await startFakePair();
  await settled(site);
  site.clouds[0].faults.next({ kind: "hang" }, ({ verb }) => verb === "create");
  const writing = site.proxy.fetch(PATH, {
    method: "POST",
    body: JSON.stringify(configMap("once")),
    headers: { "content-type": "application/json" },
  });
  await until(
    "the write to have arrived",
    () => site.clouds[0].audit.entries.some(({ verb }) => verb === "create"),
  );
  site.links[0].set({ state: "black-hole" });
  const response = await writing;
  assert.equal(response.status, 504);
  assert.match((await response.json()).message, /outcome is unknown/);
  await until("the other server to be used", () => site.current() === site.urls[1]);
  assert.equal(site.clouds[1].audit.count({ verb: "create" }), 0);
});

Deno.test("S17 a write that certainly never left is sent to the other server", async () => {
  await using site = await startFakePair();
  await settled(site);
  site.links[0].set({ state: "refused" });
  const response = await site.proxy.fetch(PATH, {
    method: "POST",
    body: JSON.stringify(configMap("a")),
    headers: { "content-type": "application/json" },
  });
  assert.equal(response.status, 201);
  await response.body?.cancel();
  const created = site.clouds.map(({ audit }) => audit.count({ verb: "create" }));
  assert.deepEqual(created, [0, 1]);
});

Deno.test("S17 there are no more connections after many failovers than after the first", async () => {
  await using site = await startFakePair();
  await settled(site);
  site.clouds[0].create("configmaps", configMap("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.next();
  const open = () => site.links[0].openConnections + site.links[1].openConnections;
  const counts: number[] = [];
  for (let round = 0; round < 4; round++) {
    const used = site.current() === site.urls[0] ? 0 : 1;
    site.links[used].set({ state: "refused" });
    await until("the other server to be used", async () => {
      const response = await site.proxy.fetch(`${PATH}/a`);
      await response.body?.cancel();
      return site.current() === site.urls[1 - used] && response.headers.get("warning") === null;
    });
    site.links[used].set({ state: "up" });
    await until("both servers to be up", async () => {
      await (await site.proxy.fetch(`${PATH}/a`)).body?.cancel();
      return await site.proxy.metric("edge_agent_proxy_server_state_info", { state: "up" }) === 2;
    }, { timeoutMs: 30_000 });
    counts.push(open());
  }
  assert.ok(counts.at(-1)! <= counts[0]! + 1, counts.join());
});
