import assert from "node:assert/strict";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { dial } from "../../src/platform/dial.ts";
import { formatHead } from "../../src/platform/http_head.ts";
import type { ClientConnection, ConnectionHandler } from "../../src/platform/http_front.ts";
import {
  canListenWithNodeTls,
  serveHttpFront,
  serveHttps,
} from "../../src/platform/https_server.ts";
import { until } from "../cluster/poll.ts";
import { askUpgrade, SPDY, WEBSOCKET } from "../testing/upgrade_client.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };
const { signal } = new AbortController();
const ca = await createCa("test");
const tls = await issueServingCert(ca, ["127.0.0.1"]);
const ignore = !canListenWithNodeTls(Deno.version.deno);

/** Both kinds of listeners. */
const LISTENERS = [
  {
    name: "TLS",
    async start(handler: ConnectionHandler) {
      const server = await serveHttps({ ...HERE, tls }, handler);
      return Object.assign(server, { url: `https://127.0.0.1:${server.port}`, ca: ca.cert });
    },
  },
  {
    name: "plain",
    async start(handler: ConnectionHandler) {
      const server = await serveHttpFront(HERE, handler);
      return Object.assign(server, { url: `http://127.0.0.1:${server.port}`, ca: undefined });
    },
  },
];

/** Takes what wants to leave HTTP over and sends it back what it says. */
function echo(request: Request, connection: ClientConnection): Response {
  if (!request.headers.has("upgrade")) return new Response("plain");
  const client = connection.takeOver();
  if (client === undefined) return new Response(null, { status: 500 });
  void (async () => {
    try {
      await client.write(formatHead("HTTP/1.1 101 Switching Protocols", []));
      for (let bytes; (bytes = await client.read()) !== null;) await client.write(bytes);
      await client.closeWrite();
    } finally {
      client.close();
    }
  })().catch(() => {});
  return new Response(null, { status: 204 });
}

for (const { name, start } of LISTENERS) {
  Deno.test.each([
    { kind: "SPDY", method: "POST", headers: SPDY },
    { kind: "WebSocket", method: "GET", headers: WEBSOCKET },
  ])(`takeOver() on a ${name} listener has every byte of $kind`, async ({ method, headers }) => {
    await using server = await start(echo);
    for (const before of [[], ["/", "/again"]]) {
      // A later POST with a length is refused by the server behind: its clients come anew.
      if (before.length > 0 && method === "POST") continue;
      using client = await askUpgrade(server, { method, path: "/", headers, before });
      assert.equal(client.head.status, 101);
      const sent = "0123456789".repeat(300_000);
      const writing = client.stream.write(new TextEncoder().encode(sent))
        .then(() => client.stream.closeWrite());
      const { text, broken } = await client.readToEnd();
      await writing;
      assert.ok(!broken && text === sent, `${text.length} bytes came`);
    }
  });

  Deno.test(`takeOver() on a ${name} listener works when the head comes byte by byte`, async () => {
    await using server = await start(echo);
    const client = await dial({ url: server.url, ca: server.ca, signal });
    const head = formatHead("POST / HTTP/1.1", [
      ["Host", "x"],
      ["Connection", "Upgrade"],
      ...SPDY,
    ]);
    for (const byte of head) await client.write(Uint8Array.of(byte));
    const answer = await client.read();
    assert.match(new TextDecoder().decode(answer!), /^HTTP\/1\.1 101 /);
    client.close();
  });

  Deno.test(`a ${name} listener holds back what nobody reads`, async () => {
    await using server = await start((request) =>
      new Promise((resolve) =>
        request.signal.addEventListener("abort", () => resolve(new Response()))
      )
    );
    const client = await dial({ url: server.url, ca: server.ca, signal });
    await client.write(
      formatHead("POST / HTTP/1.1", [["Host", "x"], ["Content-Length", "9999999999"]]),
    );
    let mebibytes = 0;
    const piece = new Uint8Array(1024 * 1024);
    const writing = (async () => {
      for (; mebibytes < 256; mebibytes++) await client.write(piece);
    })().catch(() => {});
    let before = -1;
    await until("the client to be held back", () => {
      const stands = before === mebibytes && mebibytes > 0;
      before = mebibytes;
      return stands;
    }, { intervalMs: 500 });
    client.close();
    await writing;
    assert.ok(mebibytes < 128, `${mebibytes} MiB were taken`);
  });

  Deno.test(`cut() on a ${name} listener ends a client that does not read`, async () => {
    let connection: ClientConnection | undefined;
    const cancelled = Promise.withResolvers<void>();
    await using server = await start((_, by) => {
      connection = by;
      const piece = new Uint8Array(64 * 1024);
      return new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(piece),
          cancel: () => cancelled.resolve(),
        }, { highWaterMark: 0 }),
      );
    });
    const client = await dial({ url: server.url, ca: server.ca, signal });
    await client.write(formatHead("GET / HTTP/1.1", [["Host", "x"]]));
    await until("the request", () => connection !== undefined);
    connection!.cut();
    await cancelled.promise;
    await until(
      "the client's end",
      () => client.write(Uint8Array.of(1)).then(() => false, () => true),
    );
    client.close();
  });
}

Deno.test({
  name: "a connection of HTTP/2, which carries other requests, is neither taken over nor cut",
  ignore,
  async fn() {
    const seen: boolean[] = [];
    await using server = await serveHttps({ ...HERE, tls }, (_, connection) => {
      connection.cut();
      seen.push(connection.canLeaveHttp, connection.takeOver() !== undefined);
      return new Response("fine");
    });
    using client = Deno.createHttpClient({ caCerts: [ca.cert], http1: false });
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`https://127.0.0.1:${server.port}/`, { client });
      assert.equal(await response.text(), "fine");
    }
    assert.deepEqual(seen, [false, false, false, false]);
  },
});

Deno.test("a stop ends connections that left HTTP", async () => {
  for (const { start } of LISTENERS) {
    const server = await start(echo);
    using client = await askUpgrade(server, { path: "/", headers: SPDY });
    await server[Symbol.asyncDispose]();
    assert.equal((await client.readToEnd()).text, "");
  }
});

Deno.test("dial() does not talk to a server that nobody vouches for", async () => {
  await using server = await serveHttps({ ...HERE, tls }, () => new Response());
  const url = `https://127.0.0.1:${server.port}`;
  await assert.rejects(dial({ url, ca: (await createCa("other")).cert, signal }), /certificate/i);
  await assert.rejects(dial({ url, signal }), /certificate/i);
});

Deno.test("dial() gives up on a server that says nothing when it is told to", async () => {
  const silent = Deno.listen(HERE);
  const accepted: Deno.Conn[] = [];
  const accepting = silent.accept().then((connection) => accepted.push(connection));
  const giveUp = new AbortController();
  const dialing = dial({
    url: `https://127.0.0.1:${(silent.addr as Deno.NetAddr).port}`,
    signal: giveUp.signal,
  });
  await accepting;
  giveUp.abort(new Error("enough"));
  await assert.rejects(dialing, /enough/);
  await assert.rejects(
    dial({ url: "https://127.0.0.1:1", signal: AbortSignal.abort(new Error("no")) }),
    /no/,
  );
  for (const each of [silent, ...accepted]) each.close();
});
