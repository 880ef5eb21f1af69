import assert from "node:assert/strict";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { API_PORT, SECOND_API_PORT, SECOND_APISERVER } from "../command_lines.ts";
import { until } from "../poll.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { WatchClient } from "./watch_client.ts";

const scenario = await shareCloud({
  // The second API server is killed and started by the tests.
  sanitize: false,
  prepare: (cluster) => cluster.start(SECOND_APISERVER),
});

/** The promise is 5,000; a busy machine must not fail a run. */
const FAILOVER_LIMIT_MS = 8_000;

const used = (proxy: TestProxy) => String(proxy.proxy.status!()["server"]);

/** A proxy that uses the second server, and knows that the first lives too. */
async function proxyOnSecond(site: Site): Promise<TestProxy> {
  const { cluster } = site;
  const { server, secondServer, caFile } = cluster;
  await cluster.link.blackhole(API_PORT);
  const proxy = await site.proxy({ upstream: { server, servers: [secondServer], caFile } });
  await until("the second server to be used", () => used(proxy) === secondServer);
  await cluster.link.restore();
  await until(
    "both servers to be up",
    async () => await proxy.metric("edge_agent_proxy_server_state_info", { state: "up" }) === 2,
    { timeoutMs: 2 * PATIENCE_MS },
  );
  assert.equal(used(proxy), secondServer);
  return proxy;
}

const WAYS: Record<string, (site: Site) => Promise<void>> = {
  "is killed": ({ cluster }) => cluster.stop(SECOND_APISERVER, "SIGKILL"),
  "vanishes in a black hole": ({ cluster }) => cluster.link.blackhole(SECOND_API_PORT),
};

for (const [how, cut] of Object.entries(WAYS)) {
  scenario(`S17 the server in use ${how}: the other one is used within 5 s`, async (site) => {
    await site.createMany(["a", "b"]);
    const proxy = await proxyOnSecond(site);
    const { server } = site.cluster;
    const path = site.path("configmaps");
    await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
    await watch.sees("ADDED", "b");
    const relists = await proxy.metric("edge_agent_proxy_relists_total");
    await cut(site);
    const started = performance.now();
    const sinceCut = () => Math.round(performance.now() - started);
    await until("an answer of the cloud", async () => {
      const response = await proxy.fetch(`${path}/a`);
      await response.body?.cancel();
      return response.status === 200 && response.headers.get("warning") === null;
    }, { intervalMs: 10 });
    const readMs = sinceCut();
    assert.equal(used(proxy), server);
    await site.create("c");
    await watch.sees("ADDED", "c");
    const watchMs = sinceCut();
    const put = await proxy.fetch(`${path}/a`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ metadata: { name: "a" }, data: { text: "2" } }),
    });
    assert.equal(put.status, 200);
    await put.body?.cancel();
    note(`read after ${readMs} ms, watch after ${watchMs} ms, write after ${sinceCut()} ms`);
    assert.ok(Math.max(readMs, watchMs) < FAILOVER_LIMIT_MS);
    assert.equal(watch.state, "open");
    assert.equal(await proxy.metric("edge_agent_proxy_relists_total"), relists);
    assert.equal(await proxy.metric("edge_agent_proxy_failovers_total", { why: "failed" }), 2);
    if (how === "is killed") await site.cluster.start(SECOND_APISERVER);
  });
}

scenario(
  "S17 a learned server is used after a restart when the configured one is gone",
  async (site) => {
    await site.createMany(["a"]);
    const { server, secondServer, caFile } = site.cluster;
    const stateDir = `${await site.directory()}/state`;
    const learning = { server: secondServer, caFile, learn: true };
    {
      await using proxy = await site.proxy({ upstream: learning }, { stateDir });
      await until("the cluster's own address to be learned", () => {
        const servers = proxy.proxy.status!()["servers"] as { url: string; learned: boolean }[];
        return servers.some(({ url, learned }) => learned && url === server);
      });
    }
    await site.cluster.link.blackhole(SECOND_API_PORT);
    const proxy = await site.proxy({ upstream: learning }, { stateDir });
    await until("the learned server to be used", () => used(proxy) === server);
    const response = await proxy.fetch(site.path("configmaps", "a"));
    assert.deepEqual([response.status, response.headers.get("warning")], [200, null]);
    await response.body?.cancel();
  },
);
