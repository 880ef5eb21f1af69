import assert from "node:assert/strict";
import { createCa } from "../../src/kube/pki.ts";
import type { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { until } from "../cluster/poll.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";

// Kinds of requests that no hub and no kept answer is for: the cloud's word, or an honest one without it.

const MAPS = "/api/v1/namespaces/default/configmaps";
const POD = "/api/v1/namespaces/default/pods/web";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

interface Said {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function ask(
  site: FakeSite,
  path: string,
  init?: Parameters<FakeSite["proxy"]["fetch"]>[1],
): Promise<Said> {
  const response = await site.proxy.fetch(path, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await ask(site, "/version");
}

/** Of the agent's own making, and nothing that a client would sleep on. */
function assertOwn({ status, text, headers }: Said, code: number, path: string): void {
  assert.equal(status, code, path);
  assert.equal(JSON.parse(text).kind, "Status", path);
  assert.equal(headers.get("retry-after"), null, path);
}

const createMap = (cloud: FakeApiServer, name: string) =>
  cloud.create("configmaps", { metadata: { name, namespace: "default" } });

Deno.test("S20 logs and the proxy subresource are piped through, and 503 without a link", async () => {
  await using site = await startFakeSite({
    cloud: {
      routes: (app) =>
        app.get(`${POD}/log`, (c) => c.text("a line\n"))
          .all(`${POD}/proxy/*`, async (c) => c.text(`${c.req.method} ${await c.req.text()}`, 418)),
    },
  });
  assert.equal((await ask(site, `${POD}/log?follow=true`)).text, "a line\n");
  const post = { method: "POST", body: "hello" };
  const { status, text } = await ask(site, `${POD}/proxy/x`, post);
  assert.deepEqual([status, text], [418, "POST hello"]);
  await cut(site);
  assertOwn(await ask(site, `${POD}/log?follow=true`), 503, "log");
  assertOwn(await ask(site, `${POD}/proxy/x`, post), 503, "proxy");
});

Deno.test("S14 nobody gets the cloud's own word, and nothing without it", async () => {
  await using site = await startFakeSite();
  createMap(site.cloud, "a");
  const paths = [MAPS, `${MAPS}?resourceVersion=0`, `${MAPS}?watch=true`, `${MAPS}/a`];
  for (const path of paths.filter((each) => !each.includes("watch"))) await ask(site, path);
  for (const path of paths) {
    const { status, text } = await ask(site, path, { as: null });
    assert.deepEqual([status, JSON.parse(text).reason], [403, "Forbidden"], path);
    assert.match(text, /system:anonymous/, path);
  }
  await cut(site);
  for (const path of paths) assertOwn(await ask(site, path, { as: null }), 504, path);
  const write = { method: "POST", body: "{}" };
  assertOwn(await ask(site, MAPS, { ...write, as: null }), 503, "a write");
  const headers = { "impersonate-user": "admin" };
  assertOwn(await ask(site, MAPS, { ...write, headers }), 503, "a write for somebody else");
});

Deno.test("paths that are no resource get the cloud's own word, and 504 without it", async () => {
  await using site = await startFakeSite();
  const paths = ["/healthz", "/metrics", "/index.html", "/apis/nobody.example/v1/things"];
  for (const path of paths) {
    const { status } = await ask(site, path);
    assert.equal(status, path === "/healthz" ? 200 : 404, path);
  }
  await cut(site);
  for (const path of paths) assertOwn(await ask(site, path), 504, path);
});

Deno.test("a client that takes CBOR alone is told 504 without a link, whatever is held", async () => {
  await using site = await startFakeSite();
  createMap(site.cloud, "a");
  for (const path of [`${MAPS}?resourceVersion=0`, `${MAPS}/a`]) await ask(site, path);
  await cut(site);
  const init = { headers: { accept: "application/cbor" } };
  for (const path of [MAPS, `${MAPS}?resourceVersion=0`, `${MAPS}?watch=true`, `${MAPS}/a`]) {
    assertOwn(await ask(site, path, init), 504, path);
  }
});

Deno.test("S11 a busy cloud's 429 and 500 are passed on as they are, with Retry-After", async () => {
  await using site = await startFakeSite();
  createMap(site.cloud, "a");
  for (const path of [MAPS, `${MAPS}/a`]) await ask(site, path);
  for (const path of [MAPS, `${MAPS}/a`]) {
    site.cloud.faults.next(
      { kind: "status", code: 429, retryAfterSeconds: 7 },
      ({ verb }) => verb === "list" || verb === "get",
    );
    const busy = await ask(site, path);
    assert.deepEqual([busy.status, busy.headers.get("retry-after")], [429, "7"], path);
    site.cloud.faults.next({ kind: "status", code: 500 });
    assert.equal((await ask(site, path)).status, 500, path);
  }
});

Deno.test("S03 a Table that is older than the objects is not served, whoever asks", async () => {
  await using site = await startFakeSite();
  for (const name of ["gone", "stays"]) createMap(site.cloud, name);
  const accept = (...types: string[]) => ({ headers: { accept: types.join(",") } });
  await ask(site, MAPS, accept(TABLE));
  await ask(site, `${MAPS}/stays`, accept(TABLE));
  await cut(site);
  const kept = JSON.parse((await ask(site, MAPS, accept(TABLE))).text);
  assert.deepEqual([kept.kind, kept.rows.length], ["Table", 2]);
  assert.equal(JSON.parse((await ask(site, `${MAPS}/stays`, accept(TABLE))).text).kind, "Table");
  site.link.set({ state: "up" });
  await until("the link to be up", async () => (await ask(site, "/version")).status === 200);
  site.cloud.delete("configmaps", { namespace: "default", name: "gone" });
  site.cloud.update("configmaps", { namespace: "default", name: "stays" }, (object) => ({
    ...object,
    data: { value: "2" },
  }));
  await ask(site, `${MAPS}?resourceVersion=0`);
  await cut(site);
  for (const path of [MAPS, `${MAPS}/stays`]) {
    assertOwn(await ask(site, path, accept(TABLE)), 504, path);
  }
  const plain = JSON.parse((await ask(site, MAPS, accept(TABLE, "application/json"))).text);
  assert.deepEqual([plain.kind, plain.items.length], ["ConfigMapList", 1]);
  const one = await ask(site, `${MAPS}/stays`, accept(TABLE, "application/json"));
  assert.equal(JSON.parse(one.text).data.value, "2");
});

Deno.test("S11 a middlebox's answer to a question, an Event or a stream is no answer", async () => {
  const token = "/api/v1/namespaces/default/serviceaccounts/web/token";
  const review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
  await using site = await startFakeSite({
    cloud: {
      routes: (app) => {
        app.post(token, (c) => c.json({ kind: "TokenRequest", status: { token: "t" } }, 201));
        app.post(review, (c) => c.json({ kind: "SubjectAccessReview", status: {} }, 201));
        app.get(`${POD}/log`, (c) => c.text("a line\n"));
      },
    },
  });
  const post = (body: unknown) => ({
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  const questions = [
    { path: token, init: post({ spec: { audiences: ["a"] } }) },
    { path: review, init: post({ spec: { user: "somebody" } }) },
  ];
  const before = [];
  for (const { path, init } of questions) before.push(await ask(site, path, init));
  site.cloud.faults.next(
    { kind: "middlebox", code: 502 },
    ({ url }) => url !== "/readyz",
    Infinity,
  );
  for (const [i, { path, init }] of questions.entries()) {
    const { status, text } = await ask(site, path, init);
    assert.deepEqual([status, text], [201, before[i]!.text], path);
  }
  const event = {
    metadata: { name: "web.1", namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: "web" },
  };
  assert.equal((await ask(site, "/api/v1/namespaces/default/events", post(event))).status, 201);
  assertOwn(await ask(site, `${POD}/log`), 504, "log");
  site.cloud.faults.clear();
  await until("the Event to be there", () => {
    return site.cloud.store.list(site.cloud.resource("events"), "default").length === 1;
  });
});

Deno.test("S11 with the server's certificate rejected nothing is sent", async () => {
  await using site = await startFakeSite();
  createMap(site.cloud, "a");
  await ask(site, MAPS);
  const { caFile } = site.section.upstream as { caFile: string };
  await site.restart(async () => await Deno.writeTextFile(caFile, (await createCa("other")).cert));
  const listed = await ask(site, MAPS);
  assert.deepEqual([listed.status, JSON.parse(listed.text).items.length], [200, 1]);
  const asked = site.cloud.audit.entries.length;
  assertOwn(await ask(site, MAPS, { method: "POST", body: "{}" }), 503, "a write");
  assertOwn(await ask(site, `${POD}/log`), 503, "log");
  assert.equal(site.cloud.audit.entries.length, asked);
});
