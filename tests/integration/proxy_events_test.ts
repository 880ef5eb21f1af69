import assert from "node:assert/strict";
import type { AuditEntry } from "../../src/demo/fake_audit.ts";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";
import type { TestProxy } from "../testing/test_proxy.ts";

const EVENTS = "/api/v1/namespaces/default/events";
const JSON_BODY = { "content-type": "application/json" };
const STRATEGIC = { "content-type": "application/strategic-merge-patch+json" };

function event(name: string, more: Record<string, unknown> = {}) {
  return {
    kind: "Event",
    apiVersion: "v1",
    metadata: { name, namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: "web" },
    reason: "Started",
    message: `about ${name}`,
    count: 1,
    type: "Normal",
    ...more,
  };
}

const post = (proxy: TestProxy, body: unknown, query = "") =>
  proxy.fetch(EVENTS + query, { method: "POST", headers: JSON_BODY, body: JSON.stringify(body) });

const patch = (proxy: TestProxy, name: string, body: unknown, headers = STRATEGIC) =>
  proxy.fetch(`${EVENTS}/${name}`, { method: "PATCH", headers, body: JSON.stringify(body) });

const isEventWrite = ({ resource, verb }: AuditEntry) =>
  resource === "events" && (verb === "create" || verb === "patch");

/** The writes of Events that the cloud was asked for, as `create`, `patch web.1`. */
const writes = ({ cloud }: FakeSite) =>
  cloud.audit.entries.filter(isEventWrite).map(({ verb, url, code }) =>
    `${verb}${verb === "patch" ? ` ${url.split("/").at(-1)!.split("?")[0]}` : ""} ${code ?? "-"}`
  );

const stored = ({ cloud }: FakeSite) =>
  cloud.store.list(cloud.resource("events"), "default") as unknown as {
    metadata: { name: string; resourceVersion: string };
    count: number;
    message: string;
  }[];

const journaled = (proxy: TestProxy) => proxy.metric("edge_agent_proxy_journal_entries_count");
const dropped = (proxy: TestProxy, reason: string) =>
  proxy.metric("edge_agent_proxy_journal_dropped_total", { reason });

/** Waits for a condition; a test that waits for ever is one that fails. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const empties = (proxy: TestProxy) => until(async () => await journaled(proxy) === 0);

async function linkIs(proxy: TestProxy, state: string): Promise<void> {
  await until(async () => await proxy.metric("edge_agent_proxy_link_state_info", { state }) === 1);
}

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await (await site.proxy.fetch("/version")).body?.cancel();
  await linkIs(site.proxy, "down");
}

Deno.test("S19 Events made link-down reach the cloud in order, once, over a restart", async () => {
  await using site = await startFakeSite();
  const online = await post(site.proxy, event("web.0"));
  assert.equal(online.status, 201);
  assert.equal(online.headers.get("warning"), null);
  await online.body?.cancel();
  await cut(site);
  for (const name of ["web.1", "web.2"]) {
    const answer = await post(site.proxy, event(name), "?fieldManager=kubelet");
    assert.equal(answer.status, 201);
    const { kind, apiVersion, metadata, ...rest } = await answer.json();
    assert.deepEqual([kind, apiVersion, metadata.name], ["Event", "v1", name]);
    assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
    assert.match(metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const { kind: _, apiVersion: __, metadata: ___, ...sent } = event(name);
    assert.deepEqual(rest, sent);
  }
  // An Event of before the outage and one of the outage: both are answered in full.
  for (const name of ["web.0", "web.1"]) {
    const answer = await patch(site.proxy, name, { count: 2, message: "again" });
    assert.equal(answer.status, 200);
    const { count, message, reason, metadata } = await answer.json();
    assert.deepEqual([count, message, reason, metadata.name], [2, "again", "Started", name]);
  }
  assert.equal(await journaled(site.proxy), 4);
  const proxy = await site.restart();
  assert.equal(await journaled(proxy), 4);
  // What was written before the restart is known in full after it.
  const again = await (await patch(proxy, "web.2", { count: 7 })).json();
  assert.deepEqual([again.count, again.reason], [7, "Started"]);
  site.link.set({ state: "up" });
  await empties(proxy);
  assert.deepEqual(writes(site), [
    "create 201",
    "create 201",
    "create 201",
    "patch web.0 200",
    "patch web.1 200",
    "patch web.2 200",
  ]);
  const { url, user } = site.cloud.audit.entries.filter(isEventWrite)[1]!;
  assert.match(url, /\?fieldManager=kubelet$/);
  assert.equal(user, "system:node:edge-1");
  assert.deepEqual(
    stored(site).map(({ metadata: { name }, count }) => `${name} ${count}`),
    ["web.0 2", "web.1 2", "web.2 7"],
  );
  assert.equal(await proxy.metric("edge_agent_proxy_journal_delivered_total"), 5);
  // And never again.
  await (await site.restart()).fetch("/version").then((response) => response.body?.cancel());
  await linkIs(site.proxy, "up");
  assert.equal(writes(site).length, 6);
});

Deno.test("S19 an Event is on disk when it is answered", async () => {
  await using site = await startFakeSite();
  await cut(site);
  using db = openDatabase(`${site.proxy.stateDir}/state.db`, { readOnly: true });
  const entries = db.prepare("SELECT count(*) AS n FROM kept WHERE key LIKE 'journal%'");
  for (const count of [1, 2, 3]) {
    const answer = await post(site.proxy, event(`web.${count}`));
    assert.deepEqual([answer.status, entries.get()?.n], [201, count]);
    await answer.body?.cancel();
  }
});

Deno.test("S19 an Event that is cut in flight is sent again, and is there once", async () => {
  await using site = await startFakeSite();
  // It arrives, and the answer is lost.
  site.cloud.faults.next({ kind: "cut", afterBytes: 5 }, isEventWrite);
  const first = await post(site.proxy, event("web.1"));
  assert.equal(first.status, 201);
  assert.match(first.headers.get("warning") ?? "", /accepted by the edge node/);
  await first.body?.cancel();
  await empties(site.proxy);
  assert.deepEqual(writes(site), ["create 201", "create 409"]);
  assert.equal(stored(site).length, 1);
});

Deno.test("S19 an Event whose name the cloud must choose is never sent twice", async () => {
  await using site = await startFakeSite();
  const generated = event("", { metadata: { generateName: "web.", namespace: "default" } });
  site.cloud.faults.next({ kind: "cut", afterBytes: 5 }, isEventWrite);
  const inFlight = await post(site.proxy, generated);
  assert.equal(inFlight.status, 504);
  assert.match((await inFlight.json()).message, /outcome is unknown/);
  await linkIs(site.proxy, "up");
  await cut(site);
  const answer = await post(site.proxy, generated);
  assert.equal(answer.status, 201);
  const { metadata: { name } } = await answer.json();
  assert.match(name, /^web\.[a-z0-9]{5}$/);
  site.link.set({ state: "up" });
  await empties(site.proxy);
  assert.deepEqual(writes(site), ["create 201", "create 201"]);
  assert.ok(stored(site).some(({ metadata }) => metadata.name === name));
});

Deno.test("S19 an Event that the cloud has forgotten is made again by its patch", async () => {
  await using site = await startFakeSite();
  await (await post(site.proxy, event("web.1"))).body?.cancel();
  await cut(site);
  await (await patch(site.proxy, "web.1", { count: 5 })).body?.cancel();
  await (await patch(site.proxy, "web.9", { count: 5 })).body?.cancel();
  site.cloud.delete("events", { name: "web.1" });
  site.link.set({ state: "up" });
  await empties(site.proxy);
  assert.deepEqual(stored(site).map(({ metadata, count }) => [metadata.name, count]), [[
    "web.1",
    5,
  ]]);
  // Of this one nothing but the patch was known.
  assert.equal(await dropped(site.proxy, "gone"), 1);
});

Deno.test("S19 patches of one Event wait as one, and the newest wins", async () => {
  await using site = await startFakeSite();
  await (await post(site.proxy, event("web.1"))).body?.cancel();
  await cut(site);
  for (let count = 2; count <= 20; count++) {
    const answer = await patch(site.proxy, "web.1", { count });
    assert.equal((await answer.json()).count, count);
  }
  assert.equal(await journaled(site.proxy), 1);
  site.link.set({ state: "up" });
  await empties(site.proxy);
  assert.deepEqual(writes(site), ["create 201", "patch web.1 200"]);
  assert.equal(stored(site)[0]!.count, 20);
});

Deno.test("S19 a busy cloud is waited for, a refusal is final, and nothing is overtaken", async () => {
  await using site = await startFakeSite();
  await cut(site);
  for (const name of ["web.1", "web.2", "web.3"]) {
    await (await post(site.proxy, event(name))).body?.cancel();
  }
  site.cloud.faults.next({ kind: "status", code: 429, retryAfterSeconds: 1 }, isEventWrite);
  site.link.set({ state: "up" });
  await until(() => writes(site).length >= 1);
  // The link is back, but its forerunners are not there yet.
  const behind = await post(site.proxy, event("web.4"));
  assert.match((await behind.json()).metadata.uid, /./);
  await empties(site.proxy);
  assert.deepEqual(writes(site), ["create 429", ...Array(4).fill("create 201")]);
  const byAge = stored(site).sort((a, b) =>
    Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion)
  );
  assert.deepEqual(byAge.map(({ metadata: { name } }) => name), [
    "web.1",
    "web.2",
    "web.3",
    "web.4",
  ]);

  await cut(site);
  const lost = event("web.5", { metadata: { name: "web.5", namespace: "no-such-namespace" } });
  const elsewhere = EVENTS.replace("default", "no-such-namespace");
  const answer = await site.proxy.fetch(elsewhere, {
    method: "POST",
    headers: JSON_BODY,
    body: JSON.stringify(lost),
  });
  assert.equal(answer.status, 201);
  await answer.body?.cancel();
  site.link.set({ state: "up" });
  await empties(site.proxy);
  assert.equal(await dropped(site.proxy, "refused"), 1);
});

Deno.test("S19 the journal is bounded: the oldest go, and are counted", async () => {
  await using site = await startFakeSite({ section: { journal: { maxEvents: 3 } } });
  await cut(site);
  for (let i = 1; i <= 5; i++) await (await post(site.proxy, event(`web.${i}`))).body?.cancel();
  assert.equal(await journaled(site.proxy), 3);
  assert.equal(await dropped(site.proxy, "full"), 2);
  const { journal } = site.proxy.proxy.status() as { journal: { events: number } };
  assert.equal(journal.events, 3);
  site.link.set({ state: "up" });
  await empties(site.proxy);
  assert.deepEqual(stored(site).map(({ metadata: { name } }) => name), ["web.3", "web.4", "web.5"]);
});

Deno.test("S19 what is no plain write of an Event is refused, honestly", async (t) => {
  await using site = await startFakeSite();
  await cut(site);
  const { proxy } = site;
  const send = (method: string, path: string, headers: Record<string, string>, body: string) =>
    proxy.fetch(path, { method, headers, body });
  const body = JSON.stringify(event("web.1"));
  const cases: Record<string, () => Promise<Response>> = {
    "a rehearsal": () => send("POST", `${EVENTS}?dryRun=All`, JSON_BODY, body),
    "an impersonator": () =>
      send("POST", EVENTS, { ...JSON_BODY, "impersonate-user": "somebody" }, body),
    "a JSON patch": () =>
      send("PATCH", `${EVENTS}/web.1`, { "content-type": "application/json-patch+json" }, "[]"),
    "an apply": () =>
      send("PATCH", `${EVENTS}/web.1`, { "content-type": "application/apply-patch+yaml" }, body),
    "a replacement": () => send("PUT", `${EVENTS}/web.1`, JSON_BODY, body),
    "a deletion": () => send("DELETE", `${EVENTS}/web.1`, JSON_BODY, "{}"),
    "YAML": () => send("POST", EVENTS, { "content-type": "application/yaml" }, "kind: Event"),
    "no JSON": () => send("POST", EVENTS, JSON_BODY, "{"),
    "another kind": () => send("POST", EVENTS, JSON_BODY, body.replace('"Event"', '"Pod"')),
    "another namespace": () =>
      send("POST", EVENTS.replace("default", "kube-system"), JSON_BODY, body),
    "no name": () => send("POST", EVENTS, JSON_BODY, '{"metadata":{}}'),
    "a client that takes no JSON": () =>
      send("POST", EVENTS, { ...JSON_BODY, accept: "application/vnd.kubernetes.protobuf" }, body),
    "a huge one": () =>
      send("POST", EVENTS, JSON_BODY, JSON.stringify(event("web.1", { x: "x".repeat(70_000) }))),
    "a deep one": () =>
      send("POST", EVENTS, JSON_BODY, `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`),
    "a stranger": () => proxy.fetch(EVENTS, { method: "POST", headers: JSON_BODY, body, as: null }),
    "a bearer that the cloud never accepted": () =>
      proxy.fetch(EVENTS, {
        method: "POST",
        headers: { ...JSON_BODY, authorization: "Bearer x" },
        body,
        as: null,
      }),
  };
  for (const [name, ask] of Object.entries(cases)) {
    await t.step(name, async () => {
      const answer = await ask();
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get("retry-after"), null);
      // In whatever encoding the client takes.
      assert.match(await answer.text(), /ServiceUnavailable/);
    });
  }
  assert.equal(await journaled(proxy), 0);
});

Deno.test("S19 a bearer's Events are sent with its own token, or not at all", async () => {
  await using site = await startFakeSite({ cloud: { tokens: { "pod-token": "pod" } } });
  const asPod = (path: string, init: RequestInit = {}) => {
    const headers = { ...JSON_BODY, authorization: "Bearer pod-token" };
    return site.proxy.fetch(path, { ...init, headers, as: null });
  };
  const write = (name: string) =>
    asPod(EVENTS, { method: "POST", body: JSON.stringify(event(name)) });
  await (await asPod("/version")).body?.cancel();
  await cut(site);
  assert.equal((await (await write("web.1")).json()).metadata.name, "web.1");
  site.link.set({ state: "up" });
  await empties(site.proxy);
  assert.equal(site.cloud.audit.entries.findLast(isEventWrite)?.user, "pod");
  await cut(site);
  await (await write("web.2")).body?.cancel();
  // The token itself is not on disk: after a restart nobody can speak for the pod until it asks again.
  const proxy = await site.restart();
  site.link.set({ state: "up" });
  await empties(proxy);
  assert.equal(await dropped(proxy, "credential"), 1);
});
