import assert from "node:assert/strict";
import { UnavailableError } from "../../src/kernel/errors.ts";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { ProxyConfig } from "../../src/proxy/config.ts";
import { startFakeSite } from "../testing/fake_site.ts";
import { startTestProxy, type TestProxy } from "../testing/test_proxy.ts";

const PATH = "/api/v1/namespaces/default/configmaps";

function configMap(name: string, value = "1", labels: Record<string, string> = {}) {
  return { metadata: { name, namespace: "default", labels }, data: { value } };
}

async function list(
  proxy: TestProxy,
  query = "",
): Promise<Json> {
  const response = await proxy.fetch(`${PATH}?${query}`);
  assert.equal(response.status, 200, await response.clone().text());
  return await response.json();
}

const names = ({ items }: Json) => items.map(({ metadata }) => metadata.name);

/** The next frames of a watch as `TYPE name`. */
async function take(watch: WatchReader, count: number): Promise<string[]> {
  return (await watch.take(count)).map(({ type, object }) => `${type} ${object.metadata.name}`);
}

/** Cuts the link and waits until the proxy knows. */
async function cut(site: Awaited<ReturnType<typeof startFakeSite>>): Promise<void> {
  site.link.set({ state: "refused" });
  const response = await site.proxy.fetch(`${PATH}/nobody-ever-asked-for-this`);
  await response.body?.cancel();
  assert.equal(await site.proxy.metric("edge_agent_proxy_link_state_info", { state: "down" }), 1);
}

Deno.test("S02 a LIST that breaks off leaves the list from before", async (t) => {
  for (const kind of ["cut", "truncate"] as const) {
    await t.step(kind, async () => {
      await using site = await startFakeSite();
      site.cloud.create("configmaps", configMap("a"));
      assert.deepEqual(names(await list(site.proxy)), ["a"]);
      site.cloud.create("configmaps", configMap("b"));
      site.cloud.faults.next({ kind, afterBytes: 300 }, ({ verb }) => verb === "list", Infinity);
      const broken = await site.proxy.fetch(PATH);
      // The client must notice too: a broken body is an error, a shortened one no JSON. Cut before its
      // first byte came through, it is no answer at all, and the list from before is given.
      const text = await broken.text().catch(() => "broken");
      assert.ok(!text.includes('"b"'), text);
      if (!text.includes('"a"')) assert.throws(() => JSON.parse(text));
      await cut(site);
      assert.deepEqual(names(await list(site.proxy)), ["a"]);
    });
  }
});

Deno.test("S02 a GET that breaks off leaves the answer from before", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a", "old"));
  assert.equal((await (await site.proxy.fetch(`${PATH}/a`)).json()).data.value, "old");
  site.cloud.update(
    "configmaps",
    { name: "a" },
    (object) => ({ ...object, data: { value: "new" } }),
  );
  site.cloud.faults.next({ kind: "cut", afterBytes: 40 }, ({ verb }) => verb === "get", Infinity);
  const response = await site.proxy.fetch(`${PATH}/a`);
  assert.equal((await response.json()).data.value, "old");
  await cut(site);
  assert.equal((await (await site.proxy.fetch(`${PATH}/a`)).json()).data.value, "old");
});

Deno.test("S03 an object deleted under an open watch is gone from GET and LIST link-down", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  site.cloud.create("configmaps", configMap("b"));
  await (await site.proxy.fetch(`${PATH}/a`)).body?.cancel();
  await list(site.proxy);
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  assert.deepEqual(await take(watch, 2), ["ADDED a", "ADDED b"]);
  site.cloud.delete("configmaps", { name: "a" });
  assert.deepEqual(await take(watch, 1), ["DELETED a"]);
  await cut(site);
  const gone = await site.proxy.fetch(`${PATH}/a`);
  assert.equal(gone.status, 404);
  assert.equal((await gone.json()).reason, "NotFound");
  assert.deepEqual(names(await list(site.proxy)), ["b"]);
});

Deno.test("S08 a proxy that restarts link-down serves its clients without a relist", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  let seen: string;
  {
    await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
    const first = await watch.next();
    seen = first!.object.metadata.resourceVersion;
  }
  const relists = site.cloud.audit.relists;
  await site.restart(() => site.link.set({ state: "black-hole" }));
  await (await site.proxy.fetch(`${PATH}/a`)).body?.cancel();
  const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${seen}`;
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?${query}`));
  site.cloud.create("configmaps", configMap("b"));
  site.cloud.delete("configmaps", { name: "a" });
  site.link.set({ state: "up" });
  assert.deepEqual(await take(watch, 2), ["ADDED b", "DELETED a"]);
  assert.equal(site.cloud.audit.relists, relists);
});

Deno.test("S08 after the cloud forgot the past, watchers get the difference alone", async () => {
  await using site = await startFakeSite();
  for (const name of ["a", "b", "c"]) site.cloud.create("configmaps", configMap(name));
  const query = "watch=true&allowWatchBookmarks=true";
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?${query}`));
  await take(watch, 4); // with the bookmark that ends the initial events
  site.link.set({ state: "refused" });
  site.cloud.create("configmaps", configMap("d"));
  site.cloud.update("configmaps", { name: "b" }, (object) => ({ ...object, data: { value: "2" } }));
  site.cloud.delete("configmaps", { name: "a" });
  // Deleted and made again: another object of the same name.
  site.cloud.delete("configmaps", { name: "c" });
  site.cloud.create("configmaps", configMap("c"));
  site.cloud.compact();
  site.link.set({ state: "up" });
  const frames = await take(watch, 5);
  assert.deepEqual(frames.slice(0, 2).sort(), ["DELETED a", "DELETED c"]);
  assert.deepEqual(frames.slice(2), ["ADDED d", "MODIFIED b", "ADDED c"]);
  assert.equal((await watch.next())?.type, "BOOKMARK");
});

Deno.test("S11 a middlebox's 503 is answered from the cache, a Status is passed on", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await list(site.proxy);
  site.cloud.faults.next({ kind: "middlebox", code: 503 }, ({ verb }) => verb === "list");
  const cached = await site.proxy.fetch(PATH);
  assert.equal(cached.status, 200);
  assert.match(cached.headers.get("warning") ?? "", /^299 edge-agent/);
  assert.deepEqual(names(await cached.json()), ["a"]);
  site.cloud.faults.next({ kind: "status", code: 403 }, ({ verb }) => verb === "list");
  const refused = await site.proxy.fetch(PATH);
  assert.equal(refused.status, 403);
  assert.equal((await refused.json()).kind, "Status");
});

Deno.test("S11 a rejected credential of the agent's own never becomes a client's 401", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await list(site.proxy);
  const { tokenFile } = (site.section.identities as { tokenFile: string }[])[0]!;
  await Deno.writeTextFile(tokenFile, "revoked");
  await site.restart();
  assert.deepEqual(names(await list(site.proxy)), ["a"]);
  const write = await site.proxy.fetch(PATH, { method: "POST", body: "{}" });
  assert.equal(write.status, 503);
  assert.equal((await write.json()).kind, "Status");
});

Deno.test("S12 a proxy that starts link-down knows nothing and says so", async (t) => {
  await using site = await startFakeSite();
  await site.proxy.stop();
  site.link.set({ state: "refused" });
  await using proxy = await startTestProxy(site.section);
  for (
    const query of [
      "",
      "resourceVersion=0",
      "watch=true",
      "watch=true&resourceVersion=5",
      "limit=5",
    ]
  ) {
    await t.step(query, async () => {
      const response = await proxy.fetch(`${PATH}?${query}`);
      assert.equal(response.status, 504);
      assert.equal((await response.json()).reason, "Timeout");
    });
  }
});

Deno.test("the proxy passes a bearer through, and keeps what it was given for it alone", async () => {
  await using site = await startFakeSite({ cloud: { tokens: { "pod-token": "pod", other: "o" } } });
  site.cloud.create("configmaps", configMap("a"));
  const as = (token: string) =>
    site.proxy.fetch(PATH, { as: null, headers: { authorization: `Bearer ${token}` } });
  assert.equal((await (await as("pod-token")).json()).items.length, 1);
  const { user } = site.cloud.audit.entries.findLast(({ verb }) => verb === "list")!;
  assert.equal(user, "pod");
  const stranger = await as("unknown-token");
  assert.equal(stranger.status, 401);
  await stranger.body?.cancel();
  await cut(site);
  assert.equal((await (await as("pod-token")).json()).items.length, 1);
  for (const token of ["other", "unknown-token"]) {
    const response = await as(token);
    assert.equal(response.status, 504, token);
    await response.body?.cancel();
  }
  const nobody = await site.proxy.fetch(PATH, { as: null });
  assert.equal(nobody.status, 504);
  await nobody.body?.cancel();
});

Deno.test("the proxy sends a write at most once, and none without a link", async () => {
  await using site = await startFakeSite();
  site.cloud.faults.next({ kind: "hang" }, ({ verb }) => verb === "create");
  const sent = site.proxy.fetch(PATH, { method: "POST", body: JSON.stringify(configMap("a")) });
  while (site.cloud.audit.count({ verb: "create" }) === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  site.link.set({ state: "black-hole" });
  const cutInFlight = await sent;
  assert.equal(cutInFlight.status, 504);
  assert.match((await cutInFlight.json()).message, /outcome is unknown/);
  const refused = await site.proxy.fetch(PATH, { method: "POST", body: "{}" });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), null);
  await refused.body?.cancel();
  assert.equal(site.cloud.audit.count({ verb: "create" }), 1);
});

Deno.test("the proxy sets a damaged state file aside and starts empty", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await list(site.proxy);
  const { stateDir } = site.proxy;
  const proxy = await site.restart(async () => {
    await Deno.writeTextFile(`${stateDir}/state.db`, "this is not a database, it is a text file");
    site.link.set({ state: "refused" });
  });
  const unknown = await proxy.fetch(PATH);
  assert.equal(unknown.status, 504);
  await unknown.body?.cancel();
  assert.equal(await proxy.metric("edge_agent_proxy_store_set_aside_total"), 1);
  const files = (await Array.fromAsync(Deno.readDir(stateDir))).map(({ name }) => name);
  assert.ok(files.some((name) => name.startsWith("state.db.damaged-")), files.join(" "));
  site.link.set({ state: "up" });
  while ((await proxy.metric("edge_agent_proxy_link_state_info", { state: "up" })) !== 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(names(await list(proxy, "resourceVersion=0")), ["a"]);
});

Deno.test("the proxy refuses to start on a port that is taken, and loses nothing", async () => {
  await using site = await startFakeSite();
  const { port } = new URL(site.proxy.url);
  await assert.rejects(
    startTestProxy({ ...site.section, listen: `127.0.0.1:${port}` }),
    (error) => error instanceof UnavailableError && error.message.includes(`127.0.0.1:${port}`),
  );
});

Deno.test("the proxy answers what is not Kubernetes with a Status or the cloud's own answer", async () => {
  await using site = await startFakeSite();
  const broken = await site.proxy.fetch("/api/v1/namespaces/%zz/pods");
  assert.equal(broken.status, 400);
  assert.equal((await broken.json()).reason, "BadRequest");
  const page = await site.proxy.fetch("/index.html");
  assert.equal(page.status, 404);
  assert.match(await page.text(), /404 page not found/);
});

Deno.test("Proxy.reload() serves with the new config and the old state, or keeps the old config", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await list(site.proxy);
  const { proxy } = site.proxy;
  const { port } = new URL(site.proxy.url);
  const section = { ...site.section, listen: `127.0.0.1:${port}`, prefetch: "off" };
  const plain = { listen: "127.0.0.1:0", identity: "node" };
  await proxy.reload?.(ProxyConfig.parse({ ...section, plain }));
  await cut(site);
  const { plainUrl } = proxy.status() as { plainUrl: string };
  assert.deepEqual(names(await (await fetch(plainUrl + PATH)).json()), ["a"]);

  await using other = await startTestProxy(site.section);
  const taken = { listen: new URL(other.url).host, identity: "node" };
  await assert.rejects(
    Promise.resolve(proxy.reload?.(ProxyConfig.parse({ ...section, plain: taken }))),
    /Cannot serve with the new configuration: .*another process holds the port/,
  );
  assert.deepEqual(names(await list(site.proxy)), ["a"]);
});

Deno.test("a watch that goes on from a list sees each change, and costs no second list", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  const { metadata } = await list(site.proxy);
  const lists = site.cloud.audit.lists;
  const query = `watch=true&resourceVersion=${metadata.resourceVersion}`;
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?${query}`));
  site.cloud.create("configmaps", configMap("b"));
  site.cloud.update("configmaps", { name: "b" }, (object) => ({ ...object, data: { value: "2" } }));
  site.cloud.delete("configmaps", { name: "b" });
  assert.deepEqual(await take(watch, 3), ["ADDED b", "MODIFIED b", "DELETED b"]);
  assert.equal(site.cloud.audit.lists, lists);
});
