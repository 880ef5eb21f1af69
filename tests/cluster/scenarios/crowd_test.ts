import assert from "node:assert/strict";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { SECOND_APISERVER } from "../command_lines.ts";
import { linkIs } from "./outage.ts";
import { note, shareCloud, type Site } from "./site.ts";
import { WatchClient } from "./watch_client.ts";

/** Streams per connection that the first server takes: fewer than the agent expects. */
const FEW_STREAMS = 20;

const scenario = await shareCloud({
  prepare: (cluster) => cluster.start(SECOND_APISERVER),
  extraArguments: {
    "kube-apiserver": [
      `--http2-max-streams-per-connection=${FEW_STREAMS}`,
      // The largest share of requests that may be told to go away.
      "--goaway-chance=0.02",
    ],
    [SECOND_APISERVER]: ["--disable-http2-serving=true"],
  },
});

/** As many watches as a kubelet with 110 pods has, each a scope of its own. */
async function crowd(site: Site, proxy: TestProxy, count: number): Promise<WatchClient[]> {
  const names = Array.from({ length: count }, (_, i) => `map-${i}`);
  // One by one: the test's own client would be refused streams too.
  for (const name of names) await site.create(name);
  return await Promise.all(names.map(async (name) => {
    const query = `watch=true&fieldSelector=metadata.name%3D${name}`;
    const path = `${site.path("configmaps")}?${query}`;
    const watch = site.use(await WatchClient.open(proxy.fetch, path));
    await watch.sees("ADDED", name, 90_000);
    return watch;
  }));
}

/** Every watch sees a change, and writes are not held up. */
async function lives(site: Site, proxy: TestProxy, watches: WatchClient[]): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const response = await proxy.fetch(site.path("configmaps", "map-0"), {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ data: { renewed: String(i) } }),
      signal: AbortSignal.timeout(10_000),
    });
    // A GOAWAY may hit a write in flight: never in silence.
    assert.ok([200, 504].includes(response.status), `${response.status}`);
    await response.body?.cancel();
  }
  for (let i = 0; i < watches.length; i++) await site.patch(`map-${i}`, { data: { text: "2" } });
  for (const [i, watch] of watches.entries()) await watch.sees("MODIFIED", `map-${i}`);
  assert.ok(watches.every(({ state }) => state === "open"));
}

scenario(
  `S20 150 watches on a server of ${FEW_STREAMS} streams a connection that likes to say GOAWAY`,
  async (site) => {
    const proxy = await site.proxy();
    const started = performance.now();
    const watches = await crowd(site, proxy, 150);
    note(`150 watches after ${Math.round(performance.now() - started)} ms`);
    await lives(site, proxy, watches);
    const lost = await proxy.metric("edge_agent_proxy_link_lost_total");
    assert.equal(lost, 0);
  },
);

scenario("S20 a server without HTTP/2: watches, writes and reads all the same", async (site) => {
  const { secondServer: server, caFile } = site.cluster;
  const proxy = await site.proxy({ upstream: { server, caFile } });
  await linkIs(proxy, "up");
  const watches = await crowd(site, proxy, 40);
  await lives(site, proxy, watches);
  assert.equal(await proxy.metric("edge_agent_proxy_link_lost_total"), 0);
});
