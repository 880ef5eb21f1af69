import assert from "node:assert/strict";
import { run } from "../command.ts";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { decode } from "./compare.ts";
import { throughMiddlebox } from "./middlebox.ts";
import { noticeDown, OUTAGES } from "./outage.ts";
import { type KubeObject, note, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const JSON_TYPE = "application/json";
const MERGE = "application/merge-patch+json";

/** A write, and whether the cloud has carried it out. */
interface Write {
  readonly method: string;
  readonly path: string;
  readonly type?: string;
  readonly body?: unknown;
  happened(): Promise<boolean>;
}

/** One write of each kind, each of an object of its own that is made for it. */
async function writesOf(site: Site): Promise<Record<string, Write>> {
  const { namespace } = site;
  const maps = site.path("configmaps");
  const cloud = (path: string, body: unknown) =>
    site.cloud(path, { method: "POST", body: JSON.stringify(body) });
  const isGone = async (path: string) => (await decode(site.direct, path)).status === 404;
  const map = async (name: string) =>
    (await decode(site.direct, `${maps}/${name}`)).body as KubeObject;
  for (const name of ["put", "patch", "delete"]) await site.create(name);
  await site.create("collection", { labels: { collection: "yes" } });
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const lease = await cloud(leases, {
    metadata: { name: "lease" },
    spec: { holderIdentity: "before" },
  });
  const node = `/api/v1/nodes/node-${namespace}`;
  await cloud("/api/v1/nodes", { metadata: { name: `node-${namespace}` } });
  await cloud(site.path("serviceaccounts"), { metadata: { name: "default" } });
  const spec = { containers: [{ name: "main", image: "none" }] };
  for (const name of ["bind", "evict"]) {
    await cloud(site.path("pods"), { metadata: { name }, spec });
  }
  const pod = async (name: string) =>
    (await decode(site.direct, site.path("pods", name))).body as KubeObject & {
      spec?: { nodeName?: string };
    };
  return {
    POST: {
      method: "POST",
      path: maps,
      body: { metadata: { name: "post" } },
      happened: async () => !await isGone(`${maps}/post`),
    },
    PUT: {
      method: "PUT",
      path: `${maps}/put`,
      body: { metadata: { name: "put" }, data: { text: "after" } },
      happened: async () => (await map("put")).data?.text === "after",
    },
    PATCH: {
      method: "PATCH",
      path: `${maps}/patch`,
      type: MERGE,
      body: { data: { text: "after" } },
      happened: async () => (await map("patch")).data?.text === "after",
    },
    DELETE: {
      method: "DELETE",
      path: `${maps}/delete`,
      happened: () => isGone(`${maps}/delete`),
    },
    "DELETE of a collection": {
      method: "DELETE",
      path: `${maps}?labelSelector=collection%3Dyes`,
      happened: () => isGone(`${maps}/collection`),
    },
    "PUT of a Lease": {
      method: "PUT",
      path: `${leases}/lease`,
      body: { metadata: lease.metadata, spec: { holderIdentity: "after" } },
      happened: async () =>
        JSON.stringify((await decode(site.direct, `${leases}/lease`)).body).includes("after"),
    },
    "PATCH of a node's status": {
      method: "PATCH",
      path: `${node}/status`,
      type: MERGE,
      body: { status: { capacity: { "example.com/thing": "1" } } },
      happened: async () =>
        JSON.stringify((await decode(site.direct, node)).body).includes("example.com/thing"),
    },
    "binding of a pod": {
      method: "POST",
      path: site.path("pods", "bind/binding"),
      body: { metadata: { name: "bind" }, target: { kind: "Node", name: `node-${namespace}` } },
      happened: async () => (await pod("bind")).spec?.nodeName !== undefined,
    },
    "eviction of a pod": {
      method: "POST",
      path: site.path("pods", "evict/eviction"),
      body: { kind: "Eviction", apiVersion: "policy/v1", metadata: { name: "evict" } },
      happened: () => isGone(site.path("pods", "evict")),
    },
  };
}

function send(proxy: TestProxy, { method, path, type = JSON_TYPE, body }: Write) {
  return proxy.fetch(path, {
    method,
    headers: { "content-type": type },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** The answer must be one of the agent's own, which no client sleeps on. */
async function assertAnswer(response: Response, code: number, reason: string, what: string) {
  const body = await response.json();
  assert.deepEqual([response.status, body.kind, body.reason], [code, "Status", reason], what);
  assert.equal(response.headers.get("retry-after"), null, what);
}

for (const outage of ["refused", "black-holed"] as const) {
  scenario(
    `S19 with the link ${outage} no write is sent, and each is told so at once`,
    async (site) => {
      const writes = await writesOf(site);
      const proxy = await site.proxy();
      await (await proxy.fetch("/version")).body?.cancel();
      await OUTAGES[outage](site);
      await noticeDown(proxy);
      const times: number[] = [];
      for (const [name, write] of Object.entries(writes)) {
        const started = performance.now();
        const response = await send(proxy, write);
        times.push(performance.now() - started);
        await assertAnswer(response, 503, "ServiceUnavailable", name);
      }
      note(`slowest of ${times.length}: ${Math.max(...times).toFixed(1)} ms`);
      await site.cluster.link.restore();
      for (const [name, { happened }] of Object.entries(writes)) {
        assert.equal(await happened(), false, name);
      }
    },
  );
}

for (
  const { how, spoil } of [
    { how: "reset", spoil: { kind: "reset", afterBytes: 20 } },
    { how: "ended early", spoil: { kind: "truncate", afterBytes: 20 } },
  ] as const
) {
  scenario(
    `S19 a write whose answer is ${how} is sent once, and nobody calls it done`,
    async (site) => {
      const writes = await writesOf(site);
      const { box, proxy } = await throughMiddlebox(site);
      const asked: string[] = [];
      for (const [name, write] of Object.entries(writes)) {
        const path = write.path.split("?")[0]!;
        box.spoil = (at) => {
          if (at.split("?")[0] !== path) return undefined;
          asked.push(name);
          return spoil;
        };
        await assertAnswer(await send(proxy, write), 504, "Timeout", name);
        box.spoil = () => undefined;
        assert.equal(await write.happened(), true, name);
      }
      assert.deepEqual(asked, Object.keys(writes));
    },
  );
}

scenario(
  "S19 a write that a middlebox answers is sent once, and its outcome is unknown",
  async (site) => {
    const writes = await writesOf(site);
    const { box, proxy } = await throughMiddlebox(site);
    const asked: string[] = [];
    for (const [name, write] of Object.entries(writes)) {
      const path = write.path.split("?")[0]!;
      box.spoil = (at) => {
        if (at.split("?")[0] !== path) return undefined;
        asked.push(name);
        return { kind: "status", code: 502 };
      };
      await assertAnswer(await send(proxy, write), 504, "Timeout", name);
    }
    assert.deepEqual(asked, Object.keys(writes));
    // That concerned these requests only.
    box.spoil = () => undefined;
    const write = writes.POST!;
    const response = await send(proxy, write);
    assert.equal(response.status, 201);
    await response.body?.cancel();
    assert.ok(await write.happened());
  },
);

scenario(
  "S19 writes in flight when the black hole opens happen once or not at all",
  async (site) => {
    const proxy = await site.proxy();
    const path = site.path("configmaps");
    await (await proxy.fetch(path)).body?.cancel();
    const names = Array.from({ length: 50 }, (_, i) => `map-${i}`);
    const post = async (name: string) => {
      const write = { method: "POST", path, body: { metadata: { name } } };
      const response = await send(proxy, { ...write, happened: () => Promise.resolve(true) });
      const { reason = "" } = await response.json();
      return `${response.status} ${reason}`;
    };
    const sending = names.map((name, i) =>
      new Promise<string>((resolve) => setTimeout(() => resolve(post(name)), i))
    );
    // In the middle of them.
    await sending[10];
    await site.cluster.link.blackhole();
    const answers = await Promise.all(sending);
    await site.cluster.link.restore();
    const { items = [] } = (await decode(site.direct, path)).body;
    const there = new Set(items.map(({ metadata }) => metadata.name));
    const count = { done: 0, unknown: 0, refused: 0 };
    for (const [i, answer] of answers.entries()) {
      switch (answer) {
        case "201 ":
          count.done++;
          assert.ok(there.has(names[i]!), `${names[i]} was created, and is not there`);
          break;
        case "504 Timeout":
          count.unknown++;
          break;
        case "503 ServiceUnavailable":
          count.refused++;
          assert.ok(!there.has(names[i]!), `${names[i]} was not sent, and is there`);
          break;
        default:
          assert.fail(`${names[i]}: ${answer}`);
      }
    }
    note(JSON.stringify(count));
    assert.ok(count.done > 0);
  },
);

scenario(
  "S19 a body that waits for 100 Continue is sent, one that is too large is refused",
  async (site) => {
    const proxy = await site.proxy();
    const directory = await site.directory();
    const [caFile, body, large] = ["ca.crt", "body", "large"].map((name) => `${directory}/${name}`);
    await Deno.writeTextFile(caFile!, proxy.ca);
    const object = (name: string, text: string) =>
      JSON.stringify({ metadata: { name }, data: { text } });
    await Deno.writeTextFile(body!, object("expected", "x".repeat(200_000)));
    await Deno.writeTextFile(large!, object("large", "x".repeat(5_000_000)));
    const curl = async (file: string, protocol: string) => {
      const authorization = `authorization: Bearer ${await proxy.token("admin")}`;
      const headers = ["expect: 100-continue", "content-type: application/json", authorization]
        .flatMap((header) => ["-H", header]);
      const output = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", caFile!, protocol];
      const url = proxy.url + site.path("configmaps");
      const { stdout } = await run([
        "curl",
        ...output,
        ...headers,
        "--data-binary",
        `@${file}`,
        url,
      ]);
      return stdout;
    };
    assert.equal(await curl(body!, "--http1.1"), "201");
    assert.equal(await curl(body!, "--http2"), "409");
    assert.equal(await curl(large!, "--http1.1"), "413");
    assert.equal(await curl(large!, "--http2"), "413");
    // Within the agent's limit and beyond the cloud's: its own words.
    const response = await proxy.fetch(site.path("configmaps"), {
      method: "POST",
      headers: { "content-type": JSON_TYPE },
      body: object("large", "x".repeat(3_500_000)),
    });
    assert.equal(response.status, 413);
    assert.ok(response.headers.has("audit-id"));
    await response.body?.cancel();
  },
);
