import assert from "node:assert/strict";
import { FaultLink } from "../../src/demo/fault_link.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createHttpClient, type HttpClient, serveHttp } from "../../src/platform/net.ts";
import { connectTcp, listenTcp, type TcpSocket } from "../../src/platform/tcp.ts";

/** A TCP server that sends back what it gets. */
function echoServer(): { port: number } & AsyncDisposable {
  const sockets = new Set<TcpSocket>();
  const running = new Set<Promise<void>>();
  const echo = async (socket: TcpSocket) => {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const length = await socket.read(buffer);
        if (length === null) break;
        await socket.write(buffer.subarray(0, length));
      }
    } catch {
      // Reset: over as well.
    }
    socket.close();
  };
  const listener = listenTcp({ hostname: "127.0.0.1", port: 0 }, (socket) => {
    sockets.add(socket);
    running.add(echo(socket));
  });
  return {
    port: listener.port,
    async [Symbol.asyncDispose]() {
      listener[Symbol.dispose]();
      for (const socket of sockets) socket.close();
      await Promise.all(running);
    },
  };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

async function readText(socket: TcpSocket): Promise<string | null> {
  const buffer = new Uint8Array(1024);
  const length = await socket.read(buffer);
  return length === null ? null : text(buffer.subarray(0, length));
}

/** The text that arrives within 200 ms, or "silence". Leaves the read to the caller. */
async function within(reading: Promise<string | null>): Promise<string | null> {
  const done = new AbortController();
  const silence = systemClock.sleep(200, done.signal).then(() => "silence");
  const first = await Promise.race([reading, silence]);
  done.abort();
  return first;
}

async function started(): Promise<
  { link: FaultLink; connect: () => Promise<TcpSocket> } & AsyncDisposable
> {
  const server = echoServer();
  const link = await FaultLink.start({ target: { hostname: "127.0.0.1", port: server.port } });
  const opened: TcpSocket[] = [];
  return {
    link,
    async connect() {
      const socket = await connectTcp({ hostname: "127.0.0.1", port: link.port });
      opened.push(socket);
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of opened) socket.close();
      await link[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("FaultLink carries bytes both ways and counts them", async () => {
  await using env = await started();
  const socket = await env.connect();
  await socket.write(bytes("hello"));
  assert.equal(await readText(socket), "hello");
  await socket.closeWrite();
  assert.equal(await readText(socket), null, "the end is passed on");
  const { bytesUp, bytesDown, connections } = env.link;
  assert.deepEqual({ bytesUp, bytesDown, connections }, {
    bytesUp: 5,
    bytesDown: 5,
    connections: 1,
  });
});

Deno.test("FaultLink refused cuts what is open, refuses what is new, and comes back on its port", async () => {
  await using env = await started();
  const { link } = env;
  const { port } = link;
  const old = await env.connect();
  await old.write(bytes("a"));
  await readText(old);
  link.set({ state: "refused" });
  await assertEnds(old);
  await assert.rejects(env.connect());
  link.set({ state: "up" });
  assert.equal(link.port, port);
  const fresh = await env.connect();
  await fresh.write(bytes("b"));
  assert.equal(await readText(fresh), "b");
});

Deno.test("FaultLink black-hole swallows all bytes, then drops the connections", async () => {
  await using env = await started();
  const old = await env.connect();
  await old.write(bytes("a"));
  await readText(old);
  env.link.set({ state: "black-hole" });
  const fresh = await env.connect();
  const reads = [old, fresh].map(async (socket) => {
    await socket.write(bytes("lost"));
    return await readText(socket).catch(() => null);
  });
  for (const read of reads) assert.equal(await within(read), "silence");
  assert.equal(env.link.openConnections, 2);
  env.link.set({ state: "up" });
  assert.deepEqual(await Promise.all(reads), [null, null]);
  assert.equal(env.link.bytesDown, 1);
});

Deno.test("FaultLink black-hole with resume delivers late what it held", async () => {
  await using env = await started();
  const old = await env.connect();
  env.link.set({ state: "black-hole", resume: true });
  const fresh = await env.connect();
  const reads = [old, fresh].map(async (socket, i) => {
    await socket.write(bytes(`late ${i}`));
    return await readText(socket);
  });
  for (const read of reads) assert.equal(await within(read), "silence");
  env.link.set({ state: "up" });
  assert.deepEqual(await Promise.all(reads), ["late 0", "late 1"]);
});

Deno.test("FaultLink black-hole hides that the server has gone", async () => {
  const server = echoServer();
  const target = { hostname: "127.0.0.1", port: server.port };
  await using link = await FaultLink.start({ target });
  const socket = await connectTcp({ hostname: "127.0.0.1", port: link.port });
  await socket.write(bytes("a"));
  await readText(socket);
  link.set({ state: "black-hole" });
  await server[Symbol.asyncDispose]();
  const read = readText(socket).catch(() => null);
  assert.equal(await within(read), "silence");
  socket.close();
  await read;
});

Deno.test("FaultLink throttled keeps to its rate and delay", async () => {
  await using env = await started();
  const socket = await env.connect();
  env.link.set({ state: "throttled", bytesPerSecond: 10_000, delayMs: 100 });
  const startMs = performance.now();
  await socket.write(bytes("x".repeat(1_000)));
  let read = 0;
  while (read < 1_000) read += (await readText(socket))!.length;
  const tookMs = performance.now() - startMs;
  // 100 ms per 1,000 bytes up; down they follow the same pace behind it; and twice the delay.
  assert.ok(tookMs >= 290 && tookMs < 1_500, `took ${tookMs} ms`);
});

Deno.test("FaultLink cutAfter() cuts in the middle of a body", async () => {
  await using env = await started();
  const socket = await env.connect();
  env.link.cutAfter(6);
  await socket.write(bytes("0123456789"));
  let got = "";
  try {
    for (let part = await readText(socket); part !== null; part = await readText(socket)) {
      got += part;
    }
  } catch {
    // A reset is a cut as well.
  }
  assert.equal(got, "012345");
  assert.equal(env.link.bytesDown, 6);
});

Deno.test("FaultLink carries HTTP, and an aborted request in a black hole ends", async () => {
  await using server = serveHttp({ hostname: "127.0.0.1", port: 0 }, () => new Response("page"));
  const target = { hostname: "127.0.0.1", port: server.port };
  await using link = await FaultLink.start({ target });
  using client: HttpClient = createHttpClient({ protocol: "http/1.1" });
  const url = `http://127.0.0.1:${link.port}/`;
  assert.equal(await (await client.fetch(url, {})).text(), "page");
  link.set({ state: "black-hole" });
  await assert.rejects(client.fetch(url, { signal: AbortSignal.timeout(100) }), {
    name: "TimeoutError",
  });
});

async function assertEnds(socket: TcpSocket): Promise<void> {
  const end = await readText(socket).catch(() => null);
  assert.equal(end, null);
}
