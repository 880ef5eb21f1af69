import assert from "node:assert/strict";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { until } from "../cluster/poll.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";

// The node must never say more than it knows: neither "deleted" nor "current".

const PATH = "/api/v1/namespaces/default/pods";

const pod = (name: string) => ({ metadata: { name, namespace: "default" } });

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await statusOf(await site.proxy.fetch("/version"));
}

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

async function names(response: Response): Promise<string[]> {
  const { items } = await response.json() as Json;
  return items.map(({ metadata }) => metadata.name);
}

Deno.test("S04 a Namespace is found link-down, and one that is gone is not", async () => {
  await using site = await startFakeSite();
  site.cloud.create("namespaces", { metadata: { name: "shop" } });
  site.cloud.create("namespaces", { metadata: { name: "gone" } });
  assert.equal(await statusOf(await site.proxy.fetch("/api/v1/namespaces/gone")), 200);
  await using watch = new WatchReader(await site.proxy.fetch("/api/v1/namespaces?watch=true"));
  await watch.take(6);
  site.cloud.delete("namespaces", { name: "gone" });
  await watch.take(1);
  await cut(site);
  assert.equal(await statusOf(await site.proxy.fetch("/api/v1/namespaces/shop")), 200);
  assert.equal(await statusOf(await site.proxy.fetch("/api/v1/namespaces/gone")), 404);
});

Deno.test("S04 what a client has just written is not denied by a watch that lags", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  site.cloud.muteWatches(true);
  const body = JSON.stringify(pod("mine"));
  assert.equal(await statusOf(await site.proxy.fetch(PATH, { method: "POST", body })), 201);
  await cut(site);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/mine`)), 504);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/a`)), 200);
});

Deno.test("S04 what a fresher list has shown is not denied by a watch that lags", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  site.cloud.muteWatches(true);
  site.cloud.create("pods", pod("b"));
  assert.deepEqual(await names(await site.proxy.fetch(PATH)), ["a", "b"]);
  await cut(site);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/b`)), 504);
});

Deno.test("S04 an object that was read and is watched is there", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/a`)), 200);
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  await cut(site);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/a`)), 200);
});

Deno.test("S04 a newer list outweighs an older kept answer", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/a`)), 200);
  site.cloud.delete("pods", { name: "a" });
  site.cloud.create("pods", pod("b"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  await cut(site);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/a`)), 404);
});

Deno.test("S03 a link that was down for a moment at boot does not make last week current", async () => {
  await using site = await startFakeSite();
  for (let i = 0; i < 30; i++) site.cloud.create("pods", pod(`p${i}`));
  await statusOf(await site.proxy.fetch(`${PATH}?resourceVersion=0`));
  const proxy = await site.restart(() => {
    site.link.set({ state: "refused" });
    site.cloud.delete("pods", { name: "p7" });
  });
  // Nobody asks for pods before the link is back.
  await statusOf(await proxy.fetch("/version"));
  site.link.set({ state: "up" });
  while ((await proxy.metric("edge_agent_proxy_link_state_info", { state: "up" })) !== 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const listed = await names(await proxy.fetch(`${PATH}?resourceVersion=0`));
  assert.equal(listed.length, 29);
  assert.ok(!listed.includes("p7"));
});

Deno.test("S14 a right that was taken away is taken away, while the cloud can say so", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  const mine = ({ resource }: { resource: string }) => resource === "pods";
  site.cloud.faults.next({ kind: "status", code: 403 }, mine, Infinity);
  site.link.set({ state: "refused" });
  site.link.set({ state: "up" });
  const refused = () =>
    site.proxy.metric("edge_agent_proxy_reflector_failures_total", { code: "refused" });
  while (await refused() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}?resourceVersion=0`)), 403);
  // An outage is another matter: the right was there when the answer was kept.
  await cut(site);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}?resourceVersion=0`)), 200);
});

Deno.test("S11 with the agent's own credential rejected nothing is called current or deleted", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  const { tokenFile } = (site.section.identities as { tokenFile: string }[])[0]!;
  site.revoke(await Deno.readTextFile(tokenFile));
  site.link.set({ state: "refused" });
  site.cloud.create("pods", pod("b"));
  site.link.set({ state: "up" });
  const rejected = () =>
    site.proxy.metric("edge_agent_proxy_reflector_failures_total", { code: "unreachable" });
  const before = await rejected();
  while (await rejected() < before + 2) await new Promise((resolve) => setTimeout(resolve, 10));
  const list = await site.proxy.fetch(`${PATH}?resourceVersion=0`);
  assert.match(list.headers.get("warning") ?? "", /^299 edge-agent/);
  assert.deepEqual(await names(list), ["a"]);
  assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/b`)), 504);
});

Deno.test("S16 a credential that is broken for a moment fails no cached read", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  assert.deepEqual(await names(await site.proxy.fetch(PATH)), ["a"]);
  await site.proxy.stop();
  const certFile = `${site.proxy.stateDir}/broken.pem`;
  const pem = (kind: string) => `-----BEGIN ${kind}-----\nbroken\n-----END ${kind}-----\n`;
  await Deno.writeTextFile(certFile, pem("CERTIFICATE") + pem("PRIVATE KEY"));
  (site.section.identities as Record<string, unknown>[])[0] = { name: "node", certFile };
  const proxy = await site.restart();
  assert.deepEqual(await names(await proxy.fetch(PATH)), ["a"]);
  assert.equal(await statusOf(await proxy.fetch(PATH, { method: "POST", body: "{}" })), 503);
});

Deno.test("S10 a watch that begins with a damaged list is answered as its LIST is, and heals it", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  {
    await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
    await watch.take(1);
  }
  const scopes = () => {
    using db = openDatabase(`${site.proxy.stateDir}/state.db`);
    return Number(db.prepare("SELECT count(*) AS n FROM scopes WHERE complete = 1").get()?.n);
  };
  await until("the list is written", () => scopes() > 0);
  {
    using db = openDatabase(`${site.proxy.stateDir}/state.db`);
    db.exec("UPDATE scopes SET sum = sum + 1");
  }
  const path = `${PATH}?watch=true&allowWatchBookmarks=true`;
  assert.equal(await statusOf(await site.proxy.fetch(path)), 504);
  await using watch = new WatchReader(await site.proxy.fetch(path));
  assert.equal((await watch.take(1))[0]?.object.metadata.name, "a");
});
