import assert from "node:assert/strict";
import { type FakeSite, NODE_TOKEN, startFakeSite } from "../testing/fake_site.ts";

const PATH = "/api/v1/namespaces/default/secrets";

/** A site with a secret that the identity has read, and a link that is down. */
async function startCutSite(section: Record<string, unknown> = {}): Promise<FakeSite> {
  const site = await startFakeSite({ section });
  site.cloud.create("secrets", {
    metadata: { name: "s", namespace: "default" },
    data: { k: "c2VjcmV0" },
  });
  for (const path of [PATH, `${PATH}/s`]) await (await site.proxy.fetch(path)).body?.cancel();
  site.link.set({ state: "refused" });
  await (await site.proxy.fetch("/version")).body?.cancel();
  return site;
}

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

Deno.test("cached Secrets are for the identity that read them, whatever else a request says", async (t) => {
  await using site = await startCutSite();
  const cases: {
    name: string;
    as?: string | null;
    headers?: Record<string, string>;
    want: number;
  }[] = [
    { name: "the identity", want: 200 },
    { name: "the identity with another User-Agent", headers: { "user-agent": "x" }, want: 200 },
    { name: "nobody", as: null, want: 504 },
    { name: "nobody with the User-Agent", as: null, headers: { "user-agent": "node" }, want: 504 },
    {
      name: "a made-up token",
      as: null,
      headers: { authorization: "Bearer guess" },
      want: 504,
    },
    {
      name: "the credential of the cloud",
      as: null,
      headers: { authorization: `Bearer ${NODE_TOKEN}` },
      want: 504,
    },
    {
      name: "a header of an aggregator",
      as: null,
      headers: { "x-remote-user": "node" },
      want: 504,
    },
    {
      name: "somebody impersonated",
      headers: { "impersonate-user": "system:node:edge-1" },
      want: 504,
    },
  ];
  for (const { name, want, ...init } of cases) {
    await t.step(name, async () => {
      for (const path of [PATH, `${PATH}/s`, `${PATH}?resourceVersion=0`]) {
        assert.equal(await statusOf(await site.proxy.fetch(path, init)), want, path);
      }
    });
  }
});

Deno.test("the plain listener answers as its identity, and exists only when asked for", async () => {
  const plain = { listen: "127.0.0.1:0", identity: "node" };
  await using site = await startFakeSite({ section: { plain } });
  const { plainUrl } = site.proxy.proxy.status() as { plainUrl: string };
  site.cloud.create("configmaps", { metadata: { name: "a", namespace: "default" } });
  const response = await fetch(`${plainUrl}/api/v1/namespaces/default/configmaps`);
  assert.equal((await response.json()).items.length, 1);
  assert.equal(site.cloud.audit.entries.at(-1)?.user, "system:node:edge-1");

  await using usual = await startFakeSite();
  assert.equal(usual.proxy.proxy.status().plainUrl, undefined);
});

Deno.test("headers that only an aggregator may send do not reach the cloud", async () => {
  let seen = new Headers();
  await using site = await startFakeSite({
    cloud: {
      routes: (app) =>
        app.get("/version", (c) => {
          seen = new Headers(c.req.raw.headers);
          return c.json({ major: "1" });
        }),
    },
  });
  const headers = {
    "x-remote-user": "admin",
    "x-remote-group": "system:masters",
    "x-remote-extra-a": "b",
    "x-mine": "stays",
    te: "trailers",
  };
  assert.equal(await statusOf(await site.proxy.fetch("/version", { headers })), 200);
  assert.deepEqual([...seen.keys()].filter((name) => name.startsWith("x-")), ["x-mine"]);
  assert.equal(seen.get("authorization"), `Bearer ${NODE_TOKEN}`);
});

/** Sends a request as it is written, byte for byte, and returns its status line. */
async function sendRaw(proxy: FakeSite["proxy"], lines: string[]): Promise<string> {
  const { hostname, port } = new URL(proxy.url);
  using connection = await Deno.connectTls({
    hostname,
    port: Number(port),
    caCerts: [proxy.ca],
    alpnProtocols: ["http/1.1"],
  });
  const text = [...lines, "host: a", "connection: close", "", ""].join("\r\n");
  await connection.write(new TextEncoder().encode(text));
  const answer = await new Response(connection.readable).text();
  return answer.split("\r\n")[0]!;
}

Deno.test("headers say nothing over HTTP/1.1 either, however they are written", async (t) => {
  let seen: [string, string][] | undefined;
  await using site = await startFakeSite({
    cloud: {
      routes: (app) =>
        app.get("/seen", (c) => {
          seen = [...c.req.raw.headers];
          return c.json({});
        }),
    },
  });
  const { proxy } = site;
  const own = `authorization: Bearer ${await proxy.token("node")}`;
  const node = `Bearer ${NODE_TOKEN}`;
  const cases: { name: string; lines: string[]; want: string | null }[] = [
    { name: "its token", lines: [own], want: node },
    {
      name: "an aggregator's words",
      lines: [own, "X-REMOTE-User: admin", "x-ReMoTe-gRoUp: system:masters"],
      want: node,
    },
    {
      name: "a token that is to be dropped",
      lines: [own, "Connection: authorization"],
      want: node,
    },
    {
      name: "a word that is to be dropped",
      lines: [own, "Connection: close, X-Remote-User", "X-Remote-User: a"],
      want: node,
    },
    { name: "an aggregator's words alone", lines: ["X-Remote-User: node"], want: null },
    { name: "a token, and a guess", lines: [own, "Authorization: Bearer guess"], want: null },
    { name: "a guess, and a token", lines: ["AUTHORIZATION: Bearer guess", own], want: null },
    { name: "its token twice", lines: [own, own], want: null },
  ];
  for (const { name, lines, want } of cases) {
    await t.step(name, async () => {
      seen = undefined;
      // Without a credential the fake answers 403 before its routes: nobody's words reached it as somebody's.
      const status = await sendRaw(proxy, ["GET /seen HTTP/1.1", ...lines]);
      assert.match(status, /^HTTP\/1.1 (200|400|403)/);
      if (want !== null) assert.ok(seen !== undefined, status);
      const headers = new Headers(seen);
      assert.equal(headers.get("authorization"), want);
      assert.deepEqual([...headers.keys()].filter((key) => key.startsWith("x-remote")), []);
    });
  }
});

Deno.test("the plain listener takes everybody for its identity, whatever they say of themselves", async () => {
  const plain = { listen: "127.0.0.1:0", identity: "node" };
  await using site = await startFakeSite({ section: { plain } });
  const { plainUrl } = site.proxy.proxy.status() as { plainUrl: string };
  for (const authorization of ["Bearer guess", "Basic YTpi"]) {
    assert.equal(await statusOf(await fetch(plainUrl + PATH, { headers: { authorization } })), 200);
  }
  const users = site.cloud.audit.entries.filter(({ resource }) => resource === "secrets");
  assert.deepEqual([...new Set(users.map(({ user }) => user))], ["system:node:edge-1"]);
});

Deno.test("tokens, keys and kubeconfigs are readable to their owner alone", async () => {
  await using site = await startFakeSite();
  const { stateDir } = site.proxy;
  const modes: Record<string, string> = {};
  for (
    const path of [
      "",
      "/state.db",
      "/state.db-wal",
      "/tokens",
      "/tokens/node",
      "/pki",
      "/pki/ca.key",
      "/pki/serving.key",
      "/kubeconfigs",
      "/kubeconfigs/node.kubeconfig",
    ]
  ) modes[path] = ((await Deno.stat(stateDir + path)).mode! & 0o777).toString(8);
  for (const [path, mode] of Object.entries(modes)) assert.match(mode, /^[67]00$/, path);
});

Deno.test("offline answers carry a Warning once per outage, and their Age", async () => {
  await using site = await startCutSite();
  const [first, second] = [await site.proxy.fetch(PATH), await site.proxy.fetch(PATH)];
  assert.match(first.headers.get("warning") ?? "", /^299 edge-agent "/);
  assert.equal(second.headers.get("warning"), null);
  assert.match(second.headers.get("age") ?? "", /^\d+$/);
  for (const response of [first, second]) await response.body?.cancel();
});

Deno.test("what was kept for a token goes when the cloud no longer takes it", async () => {
  const tokens: Record<string, string> = { "pod-token": "pod" };
  await using site = await startFakeSite({ cloud: { tokens } });
  site.cloud.create("secrets", { metadata: { name: "s", namespace: "default" } });
  const as = (path: string) =>
    site.proxy.fetch(path, { as: null, headers: { authorization: "Bearer pod-token" } });
  assert.equal(await statusOf(await as(`${PATH}/s`)), 200);
  assert.equal(await statusOf(await as(`${PATH}?resourceVersion=0`)), 200);
  const watch = await as(`${PATH}?watch=true`);
  const reader = watch.body!.getReader();
  await reader.read();

  site.revoke("pod-token");
  // Its watch breaks, and the next one is refused.
  site.link.set({ state: "refused" });
  site.link.set({ state: "up" });
  const known = () =>
    site.proxy.metric("edge_agent_proxy_reflector_failures_total", { code: "refused" });
  while (await known() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  site.link.set({ state: "refused" });
  await (await site.proxy.fetch("/version")).body?.cancel();
  for (const path of [PATH, `${PATH}/s`, `${PATH}?resourceVersion=0`]) {
    assert.equal(await statusOf(await as(path)), 504, path);
  }
  await reader.cancel();
});

Deno.test("an agent that was restarted during an outage still tells how old its answers are", async () => {
  await using site = await startCutSite();
  const proxy = await site.restart();
  const [list, object] = [await proxy.fetch(PATH), await proxy.fetch(`${PATH}/s`)];
  for (const response of [list, object]) {
    assert.equal(await statusOf(response), 200);
    assert.match(response.headers.get("age") ?? "none", /^\d+$/);
  }
});
