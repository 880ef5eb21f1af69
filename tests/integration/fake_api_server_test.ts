import assert from "node:assert/strict";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { createHttpClient } from "../../src/platform/net.ts";
import { apiServerContract } from "../testing/api_server_contract.ts";
import { shortForm, WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { FakeClock } from "../testing/fake_clock.ts";

const PODS = "/api/v1/namespaces/default/pods";

function startFake(): Promise<FakeApiServer> {
  return FakeApiServer.start({ tokens: { admin: "admin" } });
}

function get(cloud: FakeApiServer, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(cloud.url + path, { headers: { authorization: "Bearer admin" }, ...init });
}

function createPod(cloud: FakeApiServer, name: string): void {
  cloud.create("pods", { metadata: { name }, spec: { nodeName: "edge-1" } });
}

apiServerContract("FakeApiServer", async () => {
  const cloud = await startFake();
  return {
    fetch(path, init) {
      const headers = new Headers(init?.headers);
      headers.set("authorization", "Bearer admin");
      return fetch(cloud.url + path, { ...init, headers });
    },
    customResource: { apiVersion: "example.com/v1", kind: "Widget", resource: "widgets" },
    compact() {
      cloud.compact();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => cloud[Symbol.asyncDispose](),
  };
});

Deno.test("FakeApiServer speaks HTTP/2 over TLS", async () => {
  const ca = await createCa("fake");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  await using cloud = await FakeApiServer.start({ tls });
  using client = createHttpClient({ caCerts: [ca.cert], protocol: "h2" });
  const response = await client.fetch(`${cloud.url}/readyz`, {});
  assert.equal(await response.text(), "ok");
});

Deno.test.each([
  { name: "an unknown token", token: "junk", path: "/version", code: 401, reason: "Unauthorized" },
  { name: "anonymous at a resource", token: "", path: PODS, code: 403, reason: "Forbidden" },
  { name: "anonymous at discovery", token: "", path: "/apis", code: 403, reason: "Forbidden" },
])("FakeApiServer refuses $name", async ({ token, path, code, reason }) => {
  await using cloud = await startFake();
  const headers = new Headers(token === "" ? {} : { authorization: `Bearer ${token}` });
  const response = await get(cloud, path, { headers });
  const status = await response.json();
  assert.deepEqual([response.status, status.kind, status.reason], [code, "Status", reason]);
});

Deno.test("FakeApiServer lets anonymous see version and health", async () => {
  await using cloud = await startFake();
  for (const path of ["/version", "/readyz", "/livez", "/healthz"]) {
    const response = await get(cloud, path, { headers: {} });
    assert.equal(response.status, 200);
    await response.body?.cancel();
  }
});

Deno.test("FakeApiServer audits who asked for what, with which answer", async () => {
  await using cloud = await startFake();
  createPod(cloud, "a");
  const response = await get(cloud, `${PODS}?limit=5`, {
    headers: { authorization: "Bearer admin", "user-agent": "kubelet/v1" },
  });
  const body = await response.arrayBuffer();
  const [entry] = cloud.audit.entries;
  assert.equal(response.headers.get("audit-id"), entry!.id);
  const { id: _id, atMs: _at, ...seen } = entry!;
  assert.deepEqual(seen, {
    method: "GET",
    url: `${PODS}?limit=5`,
    verb: "list",
    resource: "pods",
    user: "admin",
    userAgent: "kubelet/v1",
    code: 200,
    bytes: body.byteLength,
  });
  assert.deepEqual([cloud.audit.lists, cloud.audit.watches, cloud.audit.relists], [1, 0, 1]);
});

Deno.test.each([
  { name: "a first list", query: "?limit=500", relists: 1 },
  { name: "a later page", query: "?limit=500&continue=e30", relists: 0 },
  { name: "a look at the resourceVersion", query: "?limit=1", relists: 0 },
  { name: "a resumed watch", query: "?watch=1&resourceVersion=1004&timeoutSeconds=1", relists: 0 },
  { name: "a watch from 0", query: "?watch=1&resourceVersion=0&timeoutSeconds=1", relists: 1 },
])("FakeAudit counts $name as $relists relists", async ({ query, relists }) => {
  await using cloud = await startFake();
  await (await get(cloud, PODS + query)).body?.cancel();
  assert.equal(cloud.audit.relists, relists);
});

Deno.test("FakeFaults status answers a Status with Audit-Id and Retry-After, once", async () => {
  await using cloud = await startFake();
  cloud.faults.next(
    { kind: "status", code: 429, retryAfterSeconds: 2 },
    ({ verb }) => verb === "list",
  );
  assert.equal(await (await get(cloud, "/readyz")).text(), "ok");
  const refused = await get(cloud, PODS);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "2");
  assert.ok(refused.headers.has("audit-id"));
  assert.equal((await refused.json()).reason, "TooManyRequests");
  const next = await get(cloud, PODS);
  assert.equal(next.status, 200);
  await next.body?.cancel();
});

Deno.test("FakeFaults middlebox answers neither Status nor Audit-Id", async () => {
  await using cloud = await startFake();
  cloud.faults.next({ kind: "middlebox", code: 503 });
  const response = await get(cloud, PODS);
  assert.equal(response.status, 503);
  assert.ok(!response.headers.has("audit-id"));
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(await response.text(), /no server available/);
});

Deno.test("FakeFaults hang gives no headers until the client gives up", async () => {
  await using cloud = await startFake();
  cloud.faults.next({ kind: "hang" });
  const signal = AbortSignal.timeout(100);
  await assert.rejects(get(cloud, PODS, { headers: {}, signal }), { name: "TimeoutError" });
});

Deno.test("FakeFaults cut breaks a body off, truncate ends it too early", async () => {
  await using cloud = await startFake();
  createPod(cloud, "a");
  cloud.faults.next({ kind: "cut", afterBytes: 30 });
  await assert.rejects(async () => await (await get(cloud, PODS)).text());
  cloud.faults.next({ kind: "truncate", afterBytes: 30 });
  assert.equal((await (await get(cloud, PODS)).text()).length, 30);
});

Deno.test("FakeFaults drip lets a body trickle", async () => {
  await using cloud = await startFake();
  createPod(cloud, "a");
  const whole = await (await get(cloud, PODS)).text();
  cloud.faults.next({ kind: "drip", bytesPerMs: whole.length / 100 });
  const startMs = performance.now();
  assert.equal(await (await get(cloud, PODS)).text(), whole);
  assert.ok(performance.now() - startMs >= 80);
});

Deno.test("FakeApiServer muteWatches() holds events back and tells them later", async () => {
  await using cloud = await startFake();
  await using watch = new WatchReader(await get(cloud, `${PODS}?watch=1`));
  cloud.muteWatches(true);
  createPod(cloud, "a");
  const reading = watch.next();
  const list = await (await get(cloud, PODS)).json();
  assert.equal(list.items.length, 1, "lists go on");
  createPod(cloud, "b");
  cloud.muteWatches(false);
  const frames = [await reading, await watch.next()];
  assert.deepEqual(frames.map((frame) => shortForm(frame!)), ["ADDED a", "ADDED b"]);
});

Deno.test("FakeApiServer sends bookmarks at the interval of its clock", async () => {
  const clock = new FakeClock();
  await using cloud = await FakeApiServer.start({
    tokens: { admin: "admin" },
    bookmarkIntervalMs: 5_000,
    clock,
  });
  await using watch = new WatchReader(await get(cloud, `${PODS}?watch=1&allowWatchBookmarks=true`));
  assert.equal(shortForm((await watch.next())!), "BOOKMARK"); // ends the initial events
  createPod(cloud, "a");
  assert.equal(shortForm((await watch.next())!), "ADDED a");
  await clock.advance(10_000);
  assert.deepEqual((await watch.take(2)).map(shortForm), ["BOOKMARK", "BOOKMARK"]);
});

Deno.test("FakeApiServer restart() on a backup goes back in time, on the same port", async () => {
  await using cloud = await startFake();
  createPod(cloud, "a");
  const backup = cloud.store.backup();
  createPod(cloud, "b");
  const { url } = cloud;
  const watch = new WatchReader(await get(cloud, `${PODS}?watch=1`));
  await watch.take(2);
  await cloud.restart({ backup });
  assert.equal(await watch.next(), undefined, "the restart ends the watch");
  assert.equal(cloud.url, url);
  const list = await (await get(cloud, PODS)).json();
  assert.equal(list.metadata.resourceVersion, String(backup.resourceVersion));
  assert.equal(list.items.length, 1);
  assert.equal(cloud.openWatches, 0);
});

Deno.test("FakeApiServer compresses big lists for who takes gzip", async () => {
  await using cloud = await startFake();
  for (let i = 0; i < 800; i++) createPod(cloud, `pod-${i}`);
  const headers = { authorization: "Bearer admin", "accept-encoding": "gzip" };
  const response = await get(cloud, PODS, { headers });
  assert.equal(response.headers.get("content-encoding"), "gzip");
  assert.equal((await response.json()).items.length, 800);
  assert.ok(cloud.audit.entries.at(-1)!.bytes < 100_000);
});

Deno.test("FakeApiServer resource() names what it knows when asked for something else", async () => {
  await using cloud = await startFake();
  assert.throws(() => cloud.resource("ingresses"), /Cannot tell .*ingresses\.networking\.k8s\.io/);
  assert.equal(cloud.resource("ingresses.extensions").group, "extensions");
});
