import assert from "node:assert/strict";
import { UnavailableError } from "../../src/kernel/errors.ts";
import { catchUncaught } from "../../src/platform/uncaught.ts";
import { bindUdp, type UdpAddress, type UdpSocket } from "../../src/platform/udp.ts";

/** A port that sends everything back, and what came to it. */
function echo(hostname: string) {
  const seen: Uint8Array[] = [];
  const socket = bindUdp({ hostname, port: 0 }, (bytes, from) => {
    seen.push(bytes);
    void socket.send(bytes, from);
  });
  return Object.assign(socket, { seen });
}

/** Sends packets one after the other, each when the one before has come back. */
async function exchange(to: UdpAddress, packets: readonly Uint8Array[]) {
  const got: { bytes: Uint8Array; from: UdpAddress }[] = [];
  let wake = () => {};
  using socket = bindUdp(
    { hostname: to.hostname.includes(":") ? "::" : "0.0.0.0", port: 0 },
    (bytes, from) => {
      got.push({ bytes, from });
      wake();
    },
  );
  for (const packet of packets) {
    const came = new Promise<void>((resolve) => wake = resolve);
    await socket.send(packet, to);
    await came;
  }
  return { got, port: socket.port };
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`bindUdp() sends and receives on ${hostname}, each datagram in memory of its own`, async () => {
    using server = echo(hostname);
    const packets = [Uint8Array.of(1, 2, 3), new Uint8Array(1_232).fill(7), Uint8Array.of(4)];
    const { got } = await exchange({ hostname, port: server.port }, packets);
    assert.deepEqual(got.map(({ bytes }) => bytes), packets);
    assert.deepEqual(server.seen, packets);
    for (const { from } of got) {
      assert.deepEqual([from.hostname, from.port], [hostname, server.port]);
    }
  });
}

Deno.test("bindUdp() takes another free port each time", async () => {
  using server = echo("127.0.0.1");
  const ports = new Set<number>();
  for (let i = 0; i < 50; i++) {
    const to = { hostname: "127.0.0.1", port: server.port };
    ports.add((await exchange(to, [Uint8Array.of(i)])).port);
  }
  assert.ok(ports.size > 40, `${ports.size} different ones of 50`);
});

Deno.test("bindUdp() says what can't be had", () => {
  using taken = echo("127.0.0.1");
  const bind = (hostname: string, port: number) => () => bindUdp({ hostname, port }, () => {});
  assert.throws(bind("127.0.0.1", taken.port), (error) =>
    error instanceof UnavailableError &&
    error.message.startsWith(`Cannot listen on 127.0.0.1:${taken.port}/udp: `));
  assert.throws(bind("192.0.2.1", 0), UnavailableError);
});

Deno.test("bindUdp() survives datagrams to nobody, and being closed in the middle of all", async () => {
  const socket = bindUdp({ hostname: "127.0.0.1", port: 0 }, () => {});
  const gone = echo("127.0.0.1");
  const to = { hostname: "127.0.0.1", port: gone.port };
  gone[Symbol.dispose]();
  for (let i = 0; i < 20; i++) await socket.send(Uint8Array.of(i), to);
  const last = socket.send(Uint8Array.of(1), to).catch(() => {});
  socket[Symbol.dispose]();
  socket[Symbol.dispose]();
  await last;
  await assert.rejects(socket.send(Uint8Array.of(1), to));
});

Deno.test("S43 bindUdp() goes on after a datagram that could not be dealt with", async () => {
  const errors: unknown[] = [];
  using _caught = catchUncaught((error) => errors.push(error));
  const { promise, resolve } = Promise.withResolvers<void>();
  using server = bindUdp({ hostname: "127.0.0.1", port: 0 }, ([first]) => {
    if (first === 1) throw new Error("a bug");
    resolve();
  });
  using client = bindUdp({ hostname: "127.0.0.1", port: 0 }, () => {});
  const to = { hostname: "127.0.0.1", port: server.port };
  await client.send(Uint8Array.of(1), to);
  await client.send(Uint8Array.of(2), to);
  await promise;
  assert.equal(errors.length, 1);
});

Deno.test("bindUdp() receives again after any number of errors", async () => {
  const { listenDatagram } = Deno;
  let errors = 0;
  Deno.listenDatagram = ((options: Deno.UdpListenOptions & { transport: "udp" }) => {
    const socket = listenDatagram(options);
    const receive = socket.receive.bind(socket);
    socket.receive = (buffer) => {
      return errors++ < 110 ? Promise.reject(new Error("no memory")) : receive(buffer);
    };
    return socket;
  }) as typeof Deno.listenDatagram;
  const { promise, resolve } = Promise.withResolvers<void>();
  let server: UdpSocket;
  try {
    server = bindUdp({ hostname: "127.0.0.1", port: 0 }, () => resolve());
  } finally {
    Deno.listenDatagram = listenDatagram;
  }
  using client = bindUdp({ hostname: "127.0.0.1", port: 0 }, () => {});
  await client.send(Uint8Array.of(1), { hostname: "127.0.0.1", port: server.port });
  await promise;
  server[Symbol.dispose]();
});
