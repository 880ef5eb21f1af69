import assert from "node:assert/strict";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { canListenWithNodeTls, serveHttps } from "../../src/platform/https_server.ts";

/** A server that says who it is, and a client for each protocol. */
async function startServer(handler: (request: Request) => Response | Promise<Response>) {
  const ca = await createCa("test");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const server = await serveHttps({ hostname: "127.0.0.1", port: 0, tls }, handler);
  const connect = (options: Deno.CreateHttpClientOptions = {}) =>
    Deno.createHttpClient({ caCerts: [ca.cert], ...options });
  const client = connect();
  const url = `https://127.0.0.1:${server.port}`;
  return {
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

Deno.test.each([
  { version: "2.7.11", want: false },
  { version: "2.9.0", want: true },
  { version: "2.10.1", want: true },
  { version: "3.0.0", want: true },
])("canListenWithNodeTls() of $version is $want", ({ version, want }) => {
  assert.equal(canListenWithNodeTls(version), want);
});
