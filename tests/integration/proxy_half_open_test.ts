import assert from "node:assert/strict";
import { until } from "../cluster/poll.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { startFakeSite } from "../testing/fake_site.ts";

const PATH = "/api/v1/namespaces/default/configmaps";
const configMap = (name: string) => ({ metadata: { name, namespace: "default" }, data: {} });

const lost = (proxy: { metric(name: string): Promise<number> }) =>
  proxy.metric("edge_agent_proxy_connections_lost_total");

Deno.test("S11 a write on a connection that the network forgot is no hang, and no outage", async () => {
  await using site = await startFakeSite();
  await (await site.proxy.fetch(`${PATH}/a`)).body?.cancel();
  site.link.forget();
  const post = (name: string) =>
    site.proxy.fetch(PATH, {
      method: "POST",
      body: JSON.stringify(configMap(name)),
      headers: { "content-type": "application/json" },
    });
  const response = await post("a");
  assert.equal(response.status, 504, "it may have arrived");
  await response.body?.cancel();
  assert.equal(await lost(site.proxy), 1);
  const { link } = site.proxy.proxy.status!() as { link: { state: string } };
  assert.notEqual(link.state, "down");
  const next = await post("b");
  assert.equal(next.status, 201);
  await next.body?.cancel();
});

Deno.test("S11 a read on a connection that the network forgot is tried on a new one", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await (await site.proxy.fetch(`${PATH}/b`)).body?.cancel();
  site.link.forget();
  const response = await site.proxy.fetch(`${PATH}/a`);
  assert.deepEqual([response.status, response.headers.get("warning")], [200, null]);
  await response.body?.cancel();
});

Deno.test("S08 a watch of a silent connection that the network forgot is resumed without a list", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.next();
  await until("the watch in the cloud", () => site.cloud.openWatches === 1);
  const { relists } = site.cloud.audit;
  site.link.forget();
  site.cloud.create("configmaps", configMap("b"));
  assert.equal((await watch.next())?.object.metadata.name, "b");
  assert.equal(site.cloud.audit.relists, relists);
  assert.ok(await lost(site.proxy) > 0);
});
