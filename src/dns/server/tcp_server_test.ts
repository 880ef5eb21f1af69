import assert from "node:assert/strict";
import * as fc from "fast-check";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import type { TcpSocket } from "../../platform/tcp.ts";
import { formatFrame, TcpFrames } from "../wire/tcp_frames.ts";
import { type Respond, TCP_LIMITS, TcpServer } from "./tcp_server.ts";

/** A socket that the test holds the other end of. */
class FakeSocket implements TcpSocket {
  readonly remote;
  readonly #incoming: (Uint8Array | null)[] = [];
  #wake = () => {};
  readonly frames = new TcpFrames(0xffff);
  /** Messages that were written, as texts. */
  readonly written: string[] = [];
  isOpen = true;
  #writable = Promise.withResolvers<void>();
  /** Lets writes wait. */
  stuck = false;

  constructor(hostname = "10.244.1.5") {
    this.remote = { hostname, port: 4000 };
  }

  send(bytes: Uint8Array | null): void {
    this.#incoming.push(bytes);
    this.#wake();
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0 && this.isOpen) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (!this.isOpen) throw new Error("closed");
    const bytes = this.#incoming.shift()!;
    if (bytes === null) return null;
    const part = bytes.subarray(0, buffer.length);
    if (part.length < bytes.length) this.#incoming.unshift(bytes.subarray(part.length));
    buffer.set(part);
    return part.length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.stuck) await this.#writable.promise;
    if (!this.isOpen) throw new Error("closed");
    this.written.push(...this.frames.push(bytes).map(textOf));
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  /** Lets all writes through. */
  unstick(): void {
    this.stuck = false;
    this.#writable.resolve();
  }

  close(): void {
    this.isOpen = false;
    this.#wake();
    this.unstick();
  }
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const frame = (text: string) => formatFrame(bytesOf(text));
const echo: Respond = (packet) => bytesOf(`re:${textOf(packet)}`);

/** Lets everything that is ready run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await setImmediate();
}

function serverWith(respond: Respond = echo, limits: Partial<typeof TCP_LIMITS> = {}) {
  const clock = new FakeClock();
  const closed: string[] = [];
  const server = new TcpServer(respond, {
    clock,
    limits: { ...TCP_LIMITS, ...limits },
    events: { closed: (why) => void closed.push(why) },
  });
  return { clock, closed, server };
}

Deno.test("S43 TcpFrames gives the same messages whatever the pieces", () => {
  const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 });
  fc.assert(fc.property(messages, fc.integer({ min: 1, max: 9 }), (list, size) => {
    const stream = new Uint8Array(list.flatMap((each) => [...formatFrame(each)]));
    const frames = new TcpFrames(40);
    const seen: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += size) {
      seen.push(...frames.push(stream.subarray(at, at + size)));
    }
    assert.deepEqual(seen.map((each) => [...each]), list.map((each) => [...each]));
    assert.equal(frames.isOpen, false);
  }));
});

Deno.test("S43 TcpServer answers pipelined queries as their answers become ready", async () => {
  const waiting = new Map<string, () => void>();
  const { server } = serverWith(async (packet) => {
    await new Promise<void>((resolve) => waiting.set(textOf(packet), resolve));
    return packet;
  });
  const socket = new FakeSocket();
  server.accept(socket);
  socket.send(new Uint8Array([...frame("a"), ...frame("b"), ...frame("c")]));
  await settle();
  for (const name of ["c", "a", "b"]) {
    waiting.get(name)!();
    await settle();
  }
  assert.deepEqual(socket.written, ["c", "a", "b"]);
  server[Symbol.dispose]();
});

Deno.test("TcpServer answers what was asked before the client ended its side", async () => {
  const { server, closed } = serverWith();
  const socket = new FakeSocket();
  server.accept(socket);
  socket.send(frame("a"));
  socket.send(null);
  await settle();
  assert.deepEqual(socket.written, ["re:a"]);
  assert.deepEqual(closed, ["end"]);
});

Deno.test("TcpServer closes a quiet connection, and leaves no timer", async () => {
  const { server, closed, clock } = serverWith();
  const socket = new FakeSocket();
  server.accept(socket);
  await clock.advance(9_000);
  socket.send(frame("a"));
  await settle();
  await clock.advance(9_000);
  assert.ok(socket.isOpen);
  await clock.advance(1_001);
  assert.deepEqual(closed, ["idle"]);
  assert.equal(clock.pending, 0);
});

Deno.test("S43 TcpServer closes a connection that speaks no DNS", async () => {
  const { server, closed } = serverWith();
  for (const bytes of [[0, 0], [0xff, 0xff, 1], [...bytesOf("GET / HTTP/1.1\r\n")]]) {
    const socket = new FakeSocket();
    server.accept(socket);
    socket.send(new Uint8Array(bytes));
    await settle();
    assert.equal(socket.isOpen, false);
  }
  assert.deepEqual(closed, ["broken", "broken", "broken"]);
});

Deno.test("TcpServer makes room by the connection that was quiet for longest", async () => {
  const { server, closed, clock } = serverWith(echo, { connections: 2 });
  const sockets = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((address) => new FakeSocket(address));
  server.accept(sockets[0]!);
  await clock.advance(10);
  server.accept(sockets[1]!);
  await clock.advance(10);
  sockets[0]!.send(frame("a"));
  await settle();
  server.accept(sockets[2]!);
  assert.deepEqual(sockets.map(({ isOpen }) => isOpen), [true, false, true]);
  assert.deepEqual(closed, ["limit"]);
  server[Symbol.dispose]();
});

Deno.test("TcpServer lets no client take everybody's connections", () => {
  const { server } = serverWith(echo, { connections: 10, perClient: 2 });
  const other = new FakeSocket("10.0.0.9");
  server.accept(other);
  for (let i = 0; i < 20; i++) server.accept(new FakeSocket("10.0.0.1"));
  assert.equal(server.size, 3);
  assert.ok(other.isOpen);
  server[Symbol.dispose]();
  assert.equal(server.size, 0);
});

Deno.test("TcpServer reads no more while too much is being answered", async () => {
  let asked = 0;
  const { server } = serverWith(() => {
    asked++;
    return new Promise(() => {});
  }, { inFlight: 3 });
  const socket = new FakeSocket();
  server.accept(socket);
  socket.send(new Uint8Array(Array.from({ length: 10 }, () => [...frame("q")]).flat()));
  await settle();
  assert.equal(asked, 3);
  server[Symbol.dispose]();
});

Deno.test("TcpServer gives up on a client that does not read", async () => {
  const { server, closed, clock } = serverWith();
  const socket = new FakeSocket();
  socket.stuck = true;
  server.accept(socket);
  socket.send(frame("a"));
  await settle();
  await clock.advance(5_001);
  assert.deepEqual(closed, ["slow"]);
});

Deno.test("S43 TcpServer gives a message as long as an idle connection to come, however it drips", async () => {
  const { clock, closed, server } = serverWith();
  const socket = new FakeSocket();
  server.accept(socket);
  const bytes = frame("a long question");
  for (let i = 0; i < 6 && socket.isOpen; i++) {
    socket.send(bytes.subarray(i, i + 1));
    await settle();
    await clock.advance(TCP_LIMITS.idleMs / 4);
  }
  assert.deepEqual(closed, ["idle"]);
  assert.equal(server.size, 0);
});

/** So many queries in one piece. */
const queries = (count: number) =>
  new Uint8Array(Array.from({ length: count }, () => [...frame("q")]).flat());

/** Connections whose clients never read, `perClient` of each address. */
function deafSockets(server: TcpServer, count: number): FakeSocket[] {
  return Array.from({ length: count }, (_, i) => {
    const socket = new FakeSocket(`10.0.${1 + Math.floor(i / TCP_LIMITS.perClient)}.1`);
    socket.stuck = true;
    server.accept(socket);
    return socket;
  });
}

Deno.test("S43 TcpServer takes no query of a client that leaves 64 KiB of answers unread", async () => {
  let asked = 0;
  const { server } = serverWith(() => {
    asked++;
    return new Uint8Array(30_000);
  });
  const [socket] = deafSockets(server, 1);
  socket!.send(queries(64));
  await settle();
  assert.equal(asked, 3);
  assert.equal(server.unsentBytes, 3 * 30_002);
  socket!.unstick();
  await settle();
  assert.equal(asked, 64, "it reads, and gets all of them");
  assert.equal(server.unsentBytes, 0);
  server[Symbol.dispose]();
});

Deno.test("S43 TcpServer takes one query at a time of each client when many leave answers unread", async () => {
  const asked = new Map<string, number>();
  const { server } = serverWith((_, { address }) => {
    asked.set(address, (asked.get(address) ?? 0) + 1);
    return new Uint8Array(10_000);
  }, { allUnsentBytes: 200_000 });
  for (const socket of deafSockets(server, 10)) socket.send(queries(10));
  await settle();
  assert.equal(asked.get("10.0.1.1"), 7 + 3 + 8, "two fill half of the room, eight come later");
  const slow = new FakeSocket("10.0.9.1");
  slow.stuck = true;
  server.accept(slow);
  slow.send(queries(3));
  await settle();
  assert.equal(asked.get("10.0.9.1"), 1);
  slow.unstick();
  await settle();
  assert.equal(asked.get("10.0.9.1"), 3, "who reads waits for nobody else");
  server[Symbol.dispose]();
  assert.equal(server.unsentBytes, 0);
});

Deno.test("S43 TcpServer holds a bounded sum of unread answers, and still answers who reads", async () => {
  const waiting: (() => void)[] = [];
  const { server, clock } = serverWith(
    (packet) =>
      textOf(packet) === "at once"
        ? new Uint8Array(60_000)
        // Its length is not known when it is asked for.
        : new Promise((resolve) => waiting.push(() => resolve(new Uint8Array(65_000)))),
    {
      allUnsentBytes: 1_000_000,
    },
  );
  for (const socket of deafSockets(server, 16)) socket.send(queries(TCP_LIMITS.inFlight));
  await settle();
  assert.equal(waiting.length, 16 * TCP_LIMITS.inFlight);
  let most = 0;
  for (const [i, answer] of waiting.entries()) {
    answer();
    if (i % 5 > 0) continue;
    await settle();
    most = Math.max(most, server.unsentBytes);
  }
  assert.ok(most > 900_000 && most <= 1_000_000, `${most} bytes`);
  await clock.advance(10);
  const reader = new FakeSocket("10.0.9.1");
  server.accept(reader);
  for (let i = 0; i < 5; i++) {
    reader.send(frame("at once"));
    await settle();
  }
  assert.equal(reader.written.length, 5);
  await clock.advance(TCP_LIMITS.writeMs);
  assert.equal(server.unsentBytes, 0, "who reads nothing is gone");
  server[Symbol.dispose]();
});
