import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { createCa } from "../../kube/pki.ts";
import type { HttpClient } from "../../platform/net.ts";
import type { Lease } from "./connection.ts";
import { Connections, MAX_BEARER_POOLS, type Purpose, type Reader } from "./connections.ts";
import { bearerCredential, type Credential } from "./credentials.ts";

/** A client that is never connected; `answers` says whether its server lives. */
class FakeClient implements HttpClient {
  answers = true;
  closed = false;
  asked = 0;
  fetch(_url: string, { signal }: RequestInit): Promise<Response> {
    this.asked++;
    if (this.answers) return Promise.resolve(new Response("ok"));
    return new Promise((_, reject) =>
      signal!.addEventListener("abort", () => reject(signal!.reason), { once: true })
    );
  }
  [Symbol.dispose](): void {
    assert.equal(this.closed, false, "closed twice");
    this.closed = true;
  }
}

function setUp(url = "https://cloud:6443", authority = { ca: "CA" }) {
  const clock = new FakeClock();
  const clients: FakeClient[] = [];
  const lost: string[] = [];
  const connections = new Connections(
    { url, ca: () => Promise.resolve(authority.ca) },
    {
      clock,
      patienceMs: () => 1_000,
      lost: (cause) => lost.push(cause),
      connect: () => {
        clients.push(new FakeClient());
        return clients.at(-1)!;
      },
    },
  );
  const take = (purpose: Purpose, reader?: Reader, credential = node) =>
    connections.take(credential, purpose, reader);
  const clientOf = ({ client }: { client: HttpClient }) => client as FakeClient;
  return { clock, clients, lost, connections, take, clientOf };
}

const node: Credential = { key: "identity:node", version: 1 };

Deno.test("take() keeps short requests, lists and watches apart, and shares within each", async () => {
  const { take } = setUp();
  const kinds = ["short", "list", "watch"] as const;
  const first = await Promise.all(kinds.map((kind) => take(kind)));
  const second = await Promise.all(kinds.map((kind) => take(kind)));
  assert.equal(new Set(first.map(({ client }) => client)).size, 3);
  assert.deepEqual(second.map(({ client }) => client), first.map(({ client }) => client));
});

Deno.test("take() puts at most 80 watches on one connection, and fills gaps first", async () => {
  const { take } = setUp();
  const leases = [];
  for (let i = 0; i < 150; i++) leases.push(await take("watch"));
  const sizes = Map.groupBy(leases, ({ client }) => client).values().map(({ length }) => length);
  assert.deepEqual([...sizes], [80, 70]);
  leases[3]!.release();
  leases[3]!.release(); // twice is once
  assert.equal((await take("watch")).client, leases[0]!.client);
  assert.equal((await take("watch")).client, leases[149]!.client);
});

Deno.test("take() gives each streamed answer a connection, closed with it", async () => {
  const { take, clientOf } = setUp();
  const [a, b] = [await take("stream"), await take("stream")];
  assert.notEqual(a.client, b.client);
  a.release();
  assert.deepEqual([clientOf(a).closed, clientOf(b).closed], [true, false]);
});

Deno.test("take() gives each list that a client reads a connection for as long as it takes", async () => {
  const { take, clientOf, connections } = setUp();
  const mirror = await take("list");
  const [a, b] = [await take("list", "client"), await take("list", "client")];
  assert.equal(new Set([mirror, a, b].map(({ client }) => client)).size, 3);
  a.release();
  assert.equal((await take("list", "client")).client, a.client, "one that is free is used again");
  b.release();
  assert.equal(clientOf(b).closed, false);
  const many = await Promise.all(Array.from({ length: 40 }, () => take("list", "client")));
  assert.ok(connections.size <= 18, `${connections.size}`);
  for (const lease of many) lease.release();
  assert.ok(connections.size <= 4, `${connections.size} are left`);
});

Deno.test("watch connections that emptied are closed, but for one", async () => {
  const { take, clientOf } = setUp();
  const leases = [];
  for (let i = 0; i < 240; i++) leases.push(await take("watch"));
  const clients = [...new Set(leases.map(clientOf))];
  for (const lease of leases) lease.release();
  assert.deepEqual(clients.map(({ closed }) => closed).sort(), [false, true, true]);
});

Deno.test("take() bounds the connections of bearers, and spares identities and the newest", async () => {
  const { take, clientOf, connections } = setUp();
  const own = await take("watch");
  const busy = await take("watch", "client", bearerCredential("busy"));
  for (let i = 0; i < 3 * MAX_BEARER_POOLS; i++) {
    const lease = await take("short", "client", bearerCredential(`token ${i}`));
    lease.release();
    assert.equal(clientOf(lease).closed, false);
  }
  assert.ok(connections.size <= MAX_BEARER_POOLS + 3, `${connections.size}`);
  assert.equal(clientOf(own).closed, false);
  assert.equal(clientOf(busy).closed, false, "one that is used is spared while others are not");
});

Deno.test("take() evicts bearers in use when there are too many of them", async () => {
  const { take, connections } = setUp();
  const leases = [];
  for (let i = 0; i < 2 * MAX_BEARER_POOLS; i++) {
    leases.push(await take("short", "client", bearerCredential(`token ${i}`)));
  }
  assert.equal(connections.size, MAX_BEARER_POOLS);
  assert.equal(leases[0]!.lost.aborted, true);
  assert.equal(leases.at(-1)!.lost.aborted, false);
});

Deno.test("a renewed credential gets new connections, and the old come to their end", async () => {
  const { take, clientOf } = setUp();
  const [watch, short, stream] = [await take("watch"), await take("short"), await take("stream")];
  const other = await take("watch", "agent", { key: "identity:other", version: 1 });
  const renewed = await take("short", "agent", { ...node, version: 2 });
  assert.notEqual(renewed.client, short.client);
  assert.deepEqual(
    [watch, short, stream, other].map(({ lost }) => lost.aborted),
    [false, false, false, false],
  );
  watch.release();
  assert.equal(clientOf(watch).closed, true);
  short.release();
  stream.release();
  assert.deepEqual([clientOf(short).closed, clientOf(stream).closed], [true, true]);
});

Deno.test("cut() ends everything with the reason", async () => {
  const { take, clients, connections } = setUp();
  const leases = [await take("watch"), await take("short"), await take("stream")];
  const reason = new Error("down");
  connections.cut(reason);
  assert.deepEqual(leases.map(({ lost }) => lost.reason), [reason, reason, reason]);
  assert.ok(clients.every(({ closed }) => closed));
  assert.equal(connections.size, 0);
  for (const lease of leases) lease.release();
});

Deno.test("renewAuthority() makes new connections only when it is another one", async () => {
  const authority = { ca: (await createCa("one")).cert };
  const { take, clientOf, connections } = setUp(undefined, authority);
  const before = await take("short");
  before.release();
  assert.equal(await connections.renewAuthority(), false);
  authority.ca = "half written";
  await assert.rejects(connections.renewAuthority(), /CERTIFICATE/);
  assert.equal(clientOf(before).closed, false);
  authority.ca = (await createCa("another")).cert;
  assert.equal(await connections.renewAuthority(), true);
  assert.equal(clientOf(before).closed, true);
  assert.notEqual((await take("short")).client, before.client);
});

Deno.test("retire() lets what is open come to its end, and no longer", async () => {
  const { take, clientOf, connections } = setUp();
  const [watch, short] = [await take("watch"), await take("short")];
  short.release();
  connections.retire();
  assert.deepEqual([clientOf(watch).closed, clientOf(short).closed], [false, true]);
  assert.notEqual((await take("watch")).client, watch.client);
  watch.release();
  assert.equal(clientOf(watch).closed, true);
});

Deno.test("cut() ends what was left to come to its end, too", async () => {
  const { take, clientOf, connections } = setUp();
  const renewed = await take("stream");
  (await take("short", "agent", { ...node, version: 2 })).release();
  const left = await take("watch", "agent", { ...node, version: 2 });
  connections.retire();
  assert.deepEqual([connections.isBusy, connections.size], [true, 2]);
  const reason = new Error("the link is down");
  connections.cut(reason);
  for (const lease of [renewed, left]) {
    assert.equal(lease.lost.reason, reason);
    assert.equal(clientOf(lease).closed, true);
    lease.release();
  }
  assert.deepEqual([connections.isBusy, connections.size], [false, 0]);
});

Deno.test("ask() asks those that were left, too", async () => {
  const { take, clientOf, connections, clock } = setUp();
  const left = await take("watch");
  await clock.advance(3_000);
  connections.retire();
  connections.ask();
  assert.equal(clientOf(left).asked, 1);
  connections.cut(new Error("end"));
});

Deno.test("a silent watch connection is asked after 75 s, and kept when it answers", async () => {
  const { take, clientOf, clock, lost, connections } = setUp();
  const lease = await take("watch");
  await clock.advance(74_000);
  lease.alive();
  await clock.advance(74_999);
  assert.equal(clientOf(lease).asked, 0, "bytes are proof of life");
  await clock.advance(1);
  assert.equal(clientOf(lease).asked, 1);
  await clock.advance(75_000);
  assert.equal(clientOf(lease).asked, 2);
  assert.deepEqual([lost, lease.lost.aborted], [[], false]);
  lease.release();
  await clock.advance(600_000);
  assert.equal(clientOf(lease).asked, 2, "nobody depends on it");
  connections.cut(new Error("end"));
  assert.equal(clock.pending, 0);
});

Deno.test("a silent watch connection that does not answer is cut, and it alone", async () => {
  const { take, clientOf, clock, lost } = setUp();
  const lease = await take("watch");
  const other = await take("watch", "agent", { key: "identity:other", version: 1 });
  clientOf(lease).answers = false;
  await clock.advance(75_000);
  await clock.advance(5_999);
  assert.equal(lease.lost.aborted, false);
  await clock.advance(1);
  assert.equal(lease.lost.aborted, true);
  assert.equal(other.lost.aborted, false);
  assert.equal(lost.length, 1);
  lease.release();
  assert.notEqual((await take("watch")).client, lease.client, "the next watch gets a new one");
});

Deno.test("all silent connections are asked when one was found dead", async () => {
  const { take, clientOf, clock } = setUp();
  const short = await take("short");
  const watch = await take("watch");
  const idle = await take("list");
  idle.release();
  clientOf(short).answers = false;
  clientOf(watch).answers = false;
  await clock.advance(10_000);
  short.doubt(clock.monotonic());
  await clock.advance(6_000);
  assert.deepEqual([short.lost.aborted, watch.lost.aborted], [true, false]);
  await clock.advance(6_000);
  assert.equal(watch.lost.aborted, true);
  assert.equal(clientOf(idle).asked, 0);
});

Deno.test("a connection is asked at once when an answer on it is late, unless others come", async () => {
  const { take, clientOf, clock } = setUp();
  const lease = await take("short");
  const sentMs = clock.monotonic();
  await clock.advance(1_000);
  lease.alive();
  assert.equal(lease.doubt(sentMs), false);
  assert.equal(clientOf(lease).asked, 0);
  assert.equal(lease.doubt(clock.monotonic()), false);
  assert.equal(clientOf(lease).asked, 1);
  await clock.advance(0);
  lease.release();
});

Deno.test.each(["short", "list"] as const)(
  "a dead connection is replaced for the next request (%s)",
  async (purpose) => {
    const { take, clientOf, clock } = setUp();
    const lease = await take(purpose);
    clientOf(lease).answers = false;
    lease.doubt(clock.monotonic());
    await clock.advance(6_000);
    assert.equal(lease.lost.aborted, true);
    lease.release();
    assert.notEqual((await take(purpose)).client, lease.client);
  },
);

/** Watches on one connection, all of which are answered but the one at `pending`. */
async function watchesBut(pending: number, count: number, take: (kind: "watch") => Promise<Lease>) {
  const leases = [];
  for (let i = 0; i < count; i++) leases.push(await take("watch"));
  const [waiting] = leases.splice(pending, 1);
  for (const lease of leases) lease.alive();
  return { waiting: waiting!, answered: leases };
}

Deno.test.each([0, 7, 30])(
  "a watch that does not begin though others did finds the server's own limit (number %i)",
  async (pending) => {
    const { take, clientOf, clock } = setUp();
    const { waiting, answered } = await watchesBut(pending, 31, take);
    assert.equal(waiting.doubt(clock.monotonic() - 1), true, "it should be tried elsewhere");
    waiting.release();
    assert.ok(answered.every(({ lost }) => !lost.aborted), "the others are well");
    const next = [];
    for (let i = 0; i < 40; i++) next.push(await take("watch"));
    const sizes = Map.groupBy(next, ({ client }) => client).values().map(({ length }) => length);
    assert.deepEqual([...sizes], [30, 10]);
    assert.equal(clientOf(answered[0]!).asked, 0);
    for (const lease of answered) lease.release();
    assert.equal(clientOf(answered[0]!).closed, true);
    for (const lease of next) lease.release();
  },
);

Deno.test("a full connection is asked for a sign of life in place of one of its watches", async () => {
  const { take, clientOf, clock } = setUp();
  const { waiting, answered } = await watchesBut(0, 21, take);
  waiting.doubt(clock.monotonic() - 1);
  waiting.release();
  const client = clientOf(answered[0]!);
  const lost = () => answered.filter(({ lost }) => lost.aborted);
  await clock.advance(75_000);
  assert.deepEqual([client.asked, lost().length], [1, 1]);
  lost()[0]!.release();
  assert.equal(client.closed, false);
  client.answers = false;
  await clock.advance(75_000 + 6_000);
  assert.deepEqual([client.closed, lost().length], [true, 20], "it was dead");
  for (const lease of answered) lease.release();
});

Deno.test("a watch that waits on a silent connection makes it asked whether it lives", async () => {
  const { take, clientOf, clock } = setUp();
  const { answered } = await watchesBut(20, 21, take);
  await clock.advance(10_000);
  const sentMs = clock.monotonic();
  const another = await take("watch");
  clientOf(another).answers = false;
  await clock.advance(4_000);
  assert.equal(another.doubt(sentMs), true);
  another.release();
  await clock.advance(6_000);
  assert.ok(answered.every(({ lost }) => lost.aborted));
  assert.equal(clientOf(another).closed, true);
});

Deno.test("a slow watch among few is no limit of the server's, and an outage makes limits forgotten", async () => {
  const { take, connections, clock } = setUp();
  const few = await watchesBut(0, 8, take);
  assert.equal(few.waiting.doubt(-1), false);
  const more = await watchesBut(0, 2, take);
  assert.equal(few.waiting.doubt(-1), true);
  assert.equal(more.waiting.doubt(-1), true, "it waits on the same connection");
  connections.cut(new Error("down"));
  await clock.advance(0);
  const next = [];
  for (let i = 0; i < 80; i++) next.push(await take("watch"));
  assert.equal(new Set(next.map(({ client }) => client)).size, 1);
  connections.cut(new Error("end"));
});

Deno.test("a server without HTTP/2 is spoken to in HTTP/1.1, and its connections are not asked", async () => {
  const { take, clientOf, clock, connections } = setUp();
  const before = await take("watch");
  connections.speaks("http/1.1");
  assert.equal(before.lost.aborted, true);
  const lease = await take("watch");
  await clock.advance(600_000);
  assert.equal(clientOf(lease).asked, 0);
  lease.release();
});
