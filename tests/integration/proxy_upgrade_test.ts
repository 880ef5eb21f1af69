import assert from "node:assert/strict";
import { type HeaderLines, valuesOf } from "../../src/platform/http_head.ts";
import { until } from "../cluster/poll.ts";
import { type FakeSite, NODE_TOKEN, startFakeSite } from "../testing/fake_site.ts";
import { askUpgrade, SPDY, type UpgradeRequest, WEBSOCKET } from "../testing/upgrade_client.ts";
import { createUpgradeServer, type UpgradeServer } from "../testing/upgrade_server.ts";

const PATH = "/api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&stdin=true";

/** A site whose cloud sends back what it gets. */
async function startSite(section: Record<string, unknown> = {}) {
  const server = createUpgradeServer();
  const site = await startFakeSite({ cloud: { routes: (app) => server.routes(app) }, section });
  return { site, server, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
}

const bearer = (token: string): HeaderLines => [["Authorization", `Bearer ${token}`]];

/** As the identity `node`, on a connection of its own. */
async function exec({ proxy }: FakeSite, request: Partial<UpgradeRequest> = {}) {
  const headers = [...request.headers ?? SPDY, ...bearer(await proxy.token("node"))];
  return await askUpgrade(proxy, { path: PATH, ...request, headers });
}

const text = (value: string) => new TextEncoder().encode(value);

async function seesOpen(server: UpgradeServer, count: number) {
  await until(`${count} open connections in the cloud`, () => server.open === count);
}

Deno.test.each([
  { name: "SPDY", method: "POST", headers: SPDY, before: [] },
  { name: "WebSocket", method: "GET", headers: WEBSOCKET, before: [] },
  {
    name: "WebSocket behind other requests",
    method: "GET",
    headers: WEBSOCKET,
    before: ["/", "/"],
  },
])("S20 a connection leaves HTTP for $name", async ({ method, headers, before }) => {
  await using parts = await startSite();
  const { site, server } = parts;
  using client = await exec(site, { method, headers, before: [...before] });
  assert.equal(client.head.status, 101);
  assert.deepEqual(valuesOf(client.head.headers, "x-of-the-cloud"), ["yes"]);
  await client.reads("hello\n");
  await client.stream.write(text("over there\n"));
  await client.reads("over there\n");
  // The cloud sees who the agent is, and nothing of who the client was to the agent.
  const asked = server.asked[0]!;
  assert.equal(asked.get("authorization"), `Bearer ${NODE_TOKEN}`);
  assert.equal(asked.get("upgrade"), headers[0]![1]);
  assert.equal(asked.get("connection")?.toLowerCase(), "upgrade");
  assert.equal(await site.proxy.metric("edge_agent_proxy_tunnels_count"), 1);
  // What was under way when one side ended arrives.
  await client.stream.closeWrite();
  assert.deepEqual(await client.readToEnd(), { text: "goodbye\n", broken: false });
  await seesOpen(server, 0);
  await until("the tunnel's end", async () => {
    return await site.proxy.metric("edge_agent_proxy_tunnels_count") === 0;
  });
});

Deno.test("S20 bytes arrive whole and in order, however fast the sides are", async () => {
  await using parts = await startSite();
  using client = await exec(parts.site);
  await client.reads("hello\n");
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  const rounds = 200;
  const writing = (async () => {
    for (let round = 0; round < rounds; round++) await client.stream.write(sent);
    await client.stream.closeWrite();
  })();
  let at = 0;
  const total = sent.length * rounds;
  for (let bytes; at < total && (bytes = await client.stream.read()) !== null;) {
    const part = bytes.subarray(0, total - at);
    for (const byte of part) {
      if (byte !== sent[at++ % sent.length]) assert.fail(`byte ${at} is another`);
    }
  }
  await writing;
  assert.equal(at, total);
});

Deno.test("S20 what the cloud does not read is held back at the client", async () => {
  await using parts = await startSite();
  using client = await exec(parts.site, { path: PATH.replace("/web/", "/sink/") });
  await client.reads("hello\n");
  const piece = new Uint8Array(1024 * 1024);
  let written = 0;
  const writing = (async () => {
    for (; written < 256; written++) await client.stream.write(piece);
  })().catch(() => {});
  let before = -1;
  await until("the client to be held back", () => {
    const stands = before === written && written > 0;
    before = written;
    return stands;
  }, { intervalMs: 500 });
  assert.ok(written < 128, `${written} MiB were taken`);
  client[Symbol.dispose]();
  await writing;
});

Deno.test("S20 the cloud's refusal is passed on as it is", async () => {
  await using parts = await startSite();
  using client = await askUpgrade(parts.site.proxy, {
    path: PATH,
    headers: [...SPDY, ...bearer("a stranger's".replace(/\W/g, ""))],
  });
  assert.equal(client.head.status, 401);
  const status = JSON.parse(await client.body());
  assert.deepEqual([status.kind, status.reason], ["Status", "Unauthorized"]);
  using anonymous = await askUpgrade(parts.site.proxy, { path: PATH, headers: SPDY });
  assert.equal(anonymous.head.status, 403);
});

Deno.test("S20 a refused credential of the agent's own is 503, not 401", async () => {
  await using parts = await startSite();
  parts.site.revoke(NODE_TOKEN);
  using client = await exec(parts.site);
  assert.equal(client.head.status, 503);
  assert.equal(JSON.parse(await client.body()).reason, "ServiceUnavailable");
});

Deno.test("S20 link-down a request to leave HTTP is a clean 503 Status", async () => {
  await using parts = await startSite();
  const { site } = parts;
  site.link.set({ state: "refused" });
  // What notices: somebody asks for something.
  await (await site.proxy.fetch("/api/v1/namespaces/default")).body?.cancel();
  await until("the link to be down", async () => {
    return await site.proxy.metric("edge_agent_proxy_link_state_info", { state: "down" }) === 1;
  });
  using client = await exec(site);
  assert.equal(client.head.status, 503);
  assert.deepEqual(valuesOf(client.head.headers, "retry-after"), []);
  const status = JSON.parse(await client.body());
  assert.deepEqual([status.kind, status.reason], ["Status", "ServiceUnavailable"]);
  assert.match(status.message, /POST .*\/exec: the API server can not be reached/);
});

Deno.test.each([
  { name: "refuses", state: { state: "refused" } as const },
  { name: "drops every packet", state: { state: "black-hole" } as const },
])("S20 both ends are closed when the link $name", async ({ state }) => {
  await using parts = await startSite();
  const { site, server } = parts;
  using client = await exec(site);
  await client.reads("hello\n");
  site.link.set(state);
  // What notices a black hole: somebody asks for something.
  const asked = site.proxy.fetch("/api/v1/namespaces/default").then((r) => r.body?.cancel());
  const { text } = await client.readToEnd();
  assert.equal(text, "");
  await asked;
  assert.equal(
    await site.proxy.metric("edge_agent_proxy_tunnels_ended_total"),
    1,
  );
  site.link.set({ state: "up" });
  await seesOpen(server, 0);
});

Deno.test("S20 a connection cut in the middle ends the client's too", async () => {
  await using parts = await startSite();
  const { site } = parts;
  using client = await exec(site);
  await client.reads("hello\n");
  site.link.cutAfter(4);
  await client.stream.write(text("0123456789"));
  assert.equal((await client.readToEnd()).text, "");
});

Deno.test("S20 a stop of the agent ends what left HTTP", async () => {
  await using parts = await startSite();
  const { site, server } = parts;
  using client = await exec(site);
  await client.reads("hello\n");
  await site.proxy.stop();
  assert.equal((await client.readToEnd()).text, "");
  await seesOpen(server, 0);
});

Deno.test("S20 the plain listener lets its clients leave HTTP as its identity", async () => {
  const port = 20_000 + crypto.getRandomValues(new Uint16Array(1))[0]! % 12_000;
  await using parts = await startSite({
    plain: { listen: `127.0.0.1:${port}`, identity: "node" },
  });
  using client = await askUpgrade({ url: `http://127.0.0.1:${port}` }, {
    path: PATH,
    headers: SPDY,
  });
  assert.equal(client.head.status, 101);
  await client.reads("hello\n");
  assert.equal(parts.server.asked[0]!.get("authorization"), `Bearer ${NODE_TOKEN}`);
});

Deno.test("S20 an offer of HTTP/2 in plain text is answered as the request that it is", async () => {
  await using parts = await startSite();
  const { site } = parts;
  using client = await exec(site, {
    method: "GET",
    path: "/api/v1/namespaces/default",
    headers: [["Upgrade", "h2c"]],
  });
  assert.equal(client.head.status, 200);
  assert.equal(JSON.parse(await client.body()).metadata.name, "default");
});
