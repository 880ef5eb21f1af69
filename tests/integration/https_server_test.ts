import assert from "node:assert/strict";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import type { ConnectionHandler } from "../../src/platform/http_front.ts";
import { canListenWithNodeTls, serveHttps } from "../../src/platform/https_server.ts";
import { issueClientCert, NODE_NAME } from "../testing/client_certificates.ts";

type ClientOptions = Deno.CreateHttpClientOptions & { cert?: string; key?: string };

/** A server that says who it is, and a client for each protocol. */
async function startServer(handler: ConnectionHandler, clientCa?: string) {
  const ca = await createCa("test");
  const pair = await issueServingCert(ca, ["127.0.0.1"]);
  const tls = { ...pair, clientCa };
  const server = await serveHttps({ hostname: "127.0.0.1", port: 0, tls }, handler);
  const connect = (options: ClientOptions = {}) =>
    Deno.createHttpClient({ caCerts: [ca.cert], ...options });
  const client = connect();
  const url = `https://127.0.0.1:${server.port}`;
  return {
    ca,
    tls,
    server,
    url,
    connect,
    fetch: (path: string, init: RequestInit = {}) => fetch(url + path, { ...init, client }),
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("serveHttps() answers HTTP/2 and HTTP/1.1", async () => {
  await using site = await startServer((request) => new Response(request.url));
  for (const protocol of [{ http1: false }, { http2: false }]) {
    using client = site.connect(protocol);
    const response = await fetch(`${site.url}/a?b=c`, { client });
    assert.match(await response.text(), /\/a\?b=c$/);
  }
});

Deno.test("serveHttps() outlives clients that speak nonsense, reset and vanish", async () => {
  await using site = await startServer(() => new Response("fine"));
  const { port } = site.server;
  const hostile: Uint8Array[] = [
    new Uint8Array(0),
    new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    crypto.getRandomValues(new Uint8Array(5_000)),
    // A TLS record that announces more than it brings.
    new Uint8Array([0x16, 3, 1, 0xff, 0xff, 1, 0, 0]),
  ];
  for (let round = 0; round < 20; round++) {
    for (const bytes of hostile) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(bytes).catch(() => {});
      connection.close();
    }
  }
  assert.equal(await (await site.fetch("/")).text(), "fine");
});

Deno.test("serveHttps() does not answer on its inner port", async () => {
  let asked = 0;
  await using site = await startServer(() => {
    asked++;
    return new Response("secret");
  });
  const { innerPort } = site.server;
  assert.equal(innerPort !== undefined, canListenWithNodeTls(Deno.version.deno));
  if (innerPort === undefined) return;
  const response = await fetch(`http://127.0.0.1:${innerPort}/`);
  assert.equal(response.status, 403);
  assert.equal(await response.text(), "");
  assert.equal(asked, 0);
});

Deno.test("serveHttps() cancels a body whose client is gone, and stops within its grace", async () => {
  const cancelled = Promise.withResolvers<void>();
  const site = await startServer(() =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
        cancel: () => cancelled.resolve(),
      }),
    )
  );
  const leaving = new AbortController();
  const first = await site.fetch("/", { signal: leaving.signal });
  await first.body!.getReader().read();
  leaving.abort();
  await cancelled.promise;

  const second = await site.fetch("/");
  const reader = second.body!.getReader();
  await reader.read();
  await site[Symbol.asyncDispose]();
  await assert.rejects(async () => {
    for (;;) if ((await reader.read()).done) throw new Error("ended");
  });
});

/** Whether this runtime can ask for certificates. */
const ignore = !canListenWithNodeTls(Deno.version.deno);
const CLIENTS = await createCa("clients");
const sayPeer: ConnectionHandler = (_request, { peer }) =>
  new Response(peer?.commonName ?? "nobody");
const HTTP = [{ http1: false }, { http2: false }];

/** What a server takes a client for, on a connection of its own. */
async function peerSeen(
  site: Awaited<ReturnType<typeof startServer>>,
  options: ClientOptions,
): Promise<string> {
  using client = site.connect({ poolMaxIdlePerHost: 0, ...options });
  return await (await fetch(site.url, { client })).text();
}

Deno.test({
  name: "serveHttps() tells who a client is by its certificate, over HTTP/2 and HTTP/1.1",
  ignore,
  async fn(t) {
    await using site = await startServer(sayPeer, CLIENTS.cert);
    const past = { notBefore: new Date("2000-01-01"), notAfter: new Date("2001-01-01") };
    const future = { notBefore: new Date("2098-01-01"), notAfter: new Date("2099-01-01") };
    const own = await createCa("clients");
    const cases = [
      { name: "a good one", certificate: await issueClientCert(CLIENTS), want: NODE_NAME },
      { name: "none", certificate: {}, want: "nobody" },
      { name: "one of a stranger's authority", certificate: await issueClientCert(own) },
      {
        name: "one that the server's own authority signed",
        certificate: { cert: site.tls.cert, key: site.tls.key },
      },
      { name: "an expired one", certificate: await issueClientCert(CLIENTS, past) },
      { name: "one of the future", certificate: await issueClientCert(CLIENTS, future) },
      { name: "a server's", certificate: await issueClientCert(CLIENTS, { usage: "server" }) },
      {
        name: "one of two names",
        certificate: await issueClientCert(CLIENTS, {
          subject: [{ CN: ["a"] }, { CN: [NODE_NAME] }],
        }),
      },
      {
        name: "one whose name holds another",
        certificate: await issueClientCert(CLIENTS, { subject: [{ O: [`x\nCN=${NODE_NAME}`] }] }),
      },
    ];
    for (const { name, certificate, want = "nobody" } of cases) {
      for (const protocol of HTTP) {
        await t.step(`${name} ${JSON.stringify(protocol)}`, async () => {
          assert.equal(await peerSeen(site, { ...protocol, ...certificate }), want);
        });
      }
    }
  },
});

Deno.test({
  name:
    "serveHttps() mixes up no clients that come together, and asks for nothing without clientCa",
  ignore,
  async fn() {
    await using site = await startServer(sayPeer, CLIENTS.cert);
    const names = Array.from({ length: 8 }, (_, i) => `system:node:n-${i}`);
    const certificates = await Promise.all(
      names.map((name) => issueClientCert(CLIENTS, { subject: [{ CN: [name] }] })),
    );
    const asked = Array.from({ length: 80 }, (_, i) => i % 10);
    const seen = await Promise.all(asked.map((i) => peerSeen(site, certificates[i] ?? {})));
    assert.deepEqual(seen, asked.map((i) => names[i] ?? "nobody"));

    await using silent = await startServer(sayPeer);
    assert.equal(await peerSeen(silent, await issueClientCert(CLIENTS)), "nobody");
  },
});

Deno.test({
  name:
    "renew() takes up certificate and authorities for new connections, and leaves the open ones",
  ignore,
  async fn() {
    await using site = await startServer(sayPeer, CLIENTS.cert);
    const others = await createCa("others");
    const [mine, theirs] = [await issueClientCert(CLIENTS), await issueClientCert(others)];
    using open = site.connect(mine);
    const ask = async () => await (await fetch(site.url, { client: open })).text();
    assert.equal(await ask(), NODE_NAME);

    const nextCa = await createCa("next");
    const next = await issueServingCert(nextCa, ["127.0.0.1"]);
    site.server.renew({ ...next, clientCa: others.cert });
    assert.equal(await ask(), NODE_NAME, "an open connection");
    await assert.rejects(peerSeen(site, mine), "a client that trusts the former certificate alone");
    const caCerts = [nextCa.cert];
    for (const protocol of HTTP) {
      assert.equal(await peerSeen(site, { ...protocol, ...mine, caCerts }), "nobody");
      assert.equal(await peerSeen(site, { ...protocol, ...theirs, caCerts }), NODE_NAME);
    }
  },
});

Deno.test({
  name: "renew() throws for texts that can't be used, and serves on with the former",
  ignore,
  async fn() {
    await using site = await startServer(sayPeer, CLIENTS.cert);
    const { cert, key } = await issueServingCert(site.ca, ["127.0.0.1"]);
    const unusable = [
      { cert, key: site.tls.key },
      { cert: "", key },
      { cert, key, clientCa: "junk" },
    ];
    for (const texts of unusable) assert.throws(() => site.server.renew(texts), { code: "usage" });
    assert.equal(await peerSeen(site, await issueClientCert(CLIENTS)), NODE_NAME);
  },
});

Deno.test({
  name: "serveHttps() does not believe a resumed session of an authority that it trusts no more",
  ignore,
  async fn() {
    await using site = await startServer(sayPeer, CLIENTS.cert);
    // Without idle connections each request makes one, which resumes the session of the one before.
    using client = site.connect({
      ...await issueClientCert(CLIENTS),
      poolMaxIdlePerHost: 0,
      http2: false,
    });
    const ask = async () => await (await fetch(site.url, { client })).text();
    for (let i = 0; i < 3; i++) assert.equal(await ask(), NODE_NAME);
    site.server.renew({ ...site.tls, clientCa: (await createCa("others")).cert });
    for (let i = 0; i < 3; i++) assert.equal(await ask(), "nobody");
  },
});

Deno.test("serveHttps() refuses to ask for certificates where the runtime can't", async () => {
  const server = startServer(sayPeer, CLIENTS.cert);
  if (ignore) return await assert.rejects(server, /Deno 2\.9/);
  await (await server)[Symbol.asyncDispose]();
});

Deno.test.each([
  { version: "2.7.11", want: false },
  { version: "2.9.0", want: true },
  { version: "2.10.1", want: true },
  { version: "3.0.0", want: true },
])("canListenWithNodeTls() of $version is $want", ({ version, want }) => {
  assert.equal(canListenWithNodeTls(version), want);
});
