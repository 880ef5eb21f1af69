import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { Link } from "../link/link.ts";
import { Connections } from "./connections.ts";
import type { Credential } from "./credentials.ts";
import { exchange, type UpstreamRequest } from "./exchange.ts";
import { UnreachableError } from "./unreachable.ts";

const node: Credential = { key: "identity:node", version: 1, token: "t" };
const KIB = 1024;

type Answer = (signal: AbortSignal) => Promise<Response>;

const hangs: Answer = (signal) =>
  new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
const fails = (message: string): Answer => () => Promise.reject(new TypeError(message));
const REFUSED = "stream error received: refused stream before processing any application logic";

/** A server that gives answers in turn; a link that is up. */
function setUp(...answers: Answer[]) {
  const clock = new FakeClock();
  const sent: { url: string; init: RequestInit }[] = [];
  const lost: string[] = [];
  const link = new Link(
    clock,
    () => Promise.resolve({ result: "answered", roundTripMs: 20 }),
    () => 0,
  );
  link.alive();
  const url = "https://cloud:6443";
  const connections = new Connections({ url, ca: () => Promise.resolve(undefined) }, {
    clock,
    patienceMs: () => 1_000,
    lost: (cause) => lost.push(cause),
    connect: () => ({
      fetch(url, init) {
        sent.push({ url, init });
        return (answers.shift() ?? hangs)(init.signal!);
      },
      [Symbol.dispose]: () => {},
    }),
  });
  const send = (request: Partial<UpstreamRequest>) =>
    exchange({ url, link, connections }, node, {
      method: "GET",
      pathAndQuery: "/api/v1/pods",
      headers: new Headers(),
      purpose: "short",
      signal: new AbortController().signal,
      ...request,
    }, clock);
  return { clock, sent, lost, link, connections, send };
}

/** A body that counts what was taken from it; it never ends. */
function endless(chunkBytes: number) {
  const taken = { bytes: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      taken.bytes += chunkBytes;
      controller.enqueue(new Uint8Array(chunkBytes));
    },
    cancel: () => void (taken.cancelled = true),
  }, { highWaterMark: 0 });
  return { taken, answer: () => Promise.resolve(new Response(body)) };
}

const unreachable = (sent: boolean) => (error: unknown) => {
  assert.ok(error instanceof UnreachableError, String(error));
  assert.deepEqual([error.sent, error.answered], [sent, false]);
  return true;
};

Deno.test.each([
  { message: "client error (Connect): connection refused", sent: false },
  { message: "dns error: failed to lookup address", sent: false },
  { message: "connection reset by peer", sent: true },
  { message: "stream error received: unspecific protocol error detected", sent: true },
])("exchange() says sent: $sent when it fails with $message", async ({ message, sent }) => {
  const run = setUp(fails(message));
  await assert.rejects(run.send({}), unreachable(sent));
  assert.equal(run.link.state.state, "suspect", "worth a probe");
  assert.equal(run.clock.pending, 0);
});

Deno.test("exchange() waits for its turn after a refused stream, also with a write", async () => {
  const run = setUp(fails(REFUSED), () => Promise.resolve(new Response("done")));
  const response = await run.send({ method: "POST", body: new Uint8Array([1]) });
  assert.equal(await response.text(), "done");
  assert.equal(run.sent.length, 2);
  assert.equal(run.clock.pending, 0);
});

Deno.test("exchange() does not insist after two refused streams: nothing was sent", async () => {
  const run = setUp(fails(REFUSED), fails(REFUSED));
  await assert.rejects(run.send({ method: "POST" }), unreachable(false));
});

Deno.test("exchange() tries a watch elsewhere at once when its connection takes no more streams", async () => {
  const open: Answer = () => Promise.resolve(new Response(new ReadableStream()));
  const run = setUp(hangs, ...Array.from({ length: 8 }, () => open));
  const stop = new AbortController();
  const watch = () => run.send({ purpose: "watch", signal: stop.signal });
  const waiting = watch();
  await run.clock.advance(1);
  // Their answers begin, its own does not: it was refused at first, and queues behind them.
  const others = await Promise.all(Array.from({ length: 8 }, watch));
  await run.clock.advance(3_998);
  assert.equal(run.sent.length, 9);
  const connections = run.connections.size;
  await run.clock.advance(1);
  assert.equal(run.sent.length, 10);
  assert.equal(run.connections.size, connections + 1);
  assert.equal(run.link.state.state, "up", "nothing has failed");
  stop.abort();
  await assert.rejects(waiting);
  await Promise.all(others.map((response) => response.body?.cancel().catch(() => {})));
});

Deno.test("exchange() takes a middlebox's answer for no sign of the cloud's life", async () => {
  const page = () => Promise.resolve(new Response(null, { status: 503 }));
  const run = setUp(page);
  assert.equal((await run.send({})).status, 503);
  assert.equal(run.link.state.state, "suspect");
});

Deno.test("exchange() adds the credential and asks for gzip", async () => {
  const run = setUp(() => Promise.resolve(new Response("ok")));
  await (await run.send({})).text();
  const headers = new Headers(run.sent[0]!.init.headers);
  assert.equal(headers.get("authorization"), "Bearer t");
  assert.equal(headers.get("accept-encoding"), "gzip");
});

Deno.test("exchange() sends nothing while the link is down", async () => {
  const run = setUp();
  const down = new Link(
    run.clock,
    () => Promise.resolve({ result: "silent", cause: "x" }),
    () => 0,
  );
  const stop = new AbortController();
  const running = down.run(stop.signal);
  await run.clock.advance(1);
  assert.equal(down.isOpen, false);
  const server = { url: "https://x", link: down, connections: run.connections };
  const request: UpstreamRequest = {
    method: "GET",
    pathAndQuery: "/",
    headers: new Headers(),
    purpose: "short",
    signal: stop.signal,
  };
  await assert.rejects(exchange(server, node, request, run.clock), unreachable(false));
  assert.deepEqual(run.sent, []);
  stop.abort();
  await running;
});

Deno.test("exchange() sends nothing when the link went down while it got a connection", async () => {
  const run = setUp();
  const stop = new AbortController();
  const link = new Link(
    run.clock,
    () => Promise.resolve({ result: "silent", cause: "x" }),
    () => 0,
  );
  const ca = Promise.withResolvers<undefined>();
  const connections = new Connections({ url: "https://x", ca: () => ca.promise }, {
    clock: run.clock,
    patienceMs: () => 1_000,
    lost: () => {},
    connect: () => ({ fetch: () => assert.fail("sent"), [Symbol.dispose]: () => {} }),
  });
  const sending = exchange({ url: "https://x", link, connections }, node, {
    method: "POST",
    pathAndQuery: "/",
    headers: new Headers(),
    purpose: "short",
    signal: stop.signal,
  }, run.clock);
  const running = link.run(stop.signal);
  await run.clock.advance(1);
  ca.resolve(undefined);
  await assert.rejects(sending, unreachable(false));
  assert.equal(connections.isBusy, false);
  stop.abort();
  await running;
});

Deno.test("exchange() cuts a watch that outlives its timeoutSeconds by 30 s", async () => {
  const { answer } = endless(0);
  const run = setUp(answer);
  const response = await run.send({
    pathAndQuery: "/api/v1/pods?watch=true&timeoutSeconds=300&x=y",
    purpose: "watch",
  });
  const reader = response.body!.getReader();
  // A server that is asked for a sign of life gives it: only the watch is forgotten.
  let broken: unknown;
  const ended = reader.closed.catch((error) => broken = error);
  for (let i = 0; i < 329; i++) {
    run.link.alive();
    await reader.read();
    await run.clock.advance(1_000);
  }
  assert.equal(broken, undefined);
  await run.clock.advance(1_000);
  await reader.read().catch(() => {});
  await ended;
  assert.match(String(broken), /watch of 300 s did not end/);
  assert.equal(run.clock.pending, 0);
});

Deno.test("exchange() reads a short answer ahead of its client, and no more than 5 MiB", async () => {
  const { answer, taken } = endless(64 * KIB);
  const run = setUp(answer);
  const response = await run.send({ reader: "client" });
  await run.clock.advance(0);
  assert.ok(taken.bytes >= 5 * KIB * KIB && taken.bytes < 6 * KIB * KIB, `${taken.bytes}`);
  await response.body!.cancel();
  assert.equal(taken.cancelled, true);
});

Deno.test("exchange() reads a list no faster than its client", async () => {
  const { answer, taken } = endless(64 * KIB);
  const run = setUp(answer);
  const response = await run.send({ purpose: "list", reader: "client" });
  await run.clock.advance(0);
  assert.equal(taken.bytes, 0);
  const reader = response.body!.getReader();
  await reader.read();
  assert.equal(taken.bytes, 64 * KIB);
  await reader.cancel();
});

Deno.test("exchange() ends the watch of a client that does not read: others share its connection", async () => {
  const { answer, taken } = endless(64 * KIB);
  const run = setUp(answer);
  const response = await run.send({ purpose: "watch", reader: "client" });
  await run.clock.advance(0);
  assert.equal(taken.cancelled, true);
  await assert.rejects(response.text(), /does not read/);
  assert.equal(run.link.state.state, "up", "no fault of the link");
});

Deno.test("exchange() counts silence only while somebody waits for the bytes", async () => {
  const { answer } = endless(KIB);
  const run = setUp(answer);
  const stop = new AbortController();
  const running = run.link.run(stop.signal);
  const response = await run.send({ purpose: "list", reader: "client" });
  await run.clock.advance(9_000);
  assert.equal(run.link.state.state, "up", "the client pauses, the link does not");
  await response.body!.cancel();
  stop.abort();
  await running;
});

Deno.test("exchange() has a connection asked on which an answer is late, and leaves it when it is dead", async () => {
  const run = setUp(hangs, hangs);
  const sending = assert.rejects(run.send({}), unreachable(true));
  await run.clock.advance(4_000);
  assert.deepEqual(run.sent.map(({ url }) => url), [
    "https://cloud:6443/api/v1/pods",
    "https://cloud:6443/readyz",
  ]);
  await run.clock.advance(6_000);
  await sending;
  assert.equal(run.lost.length, 1);
  assert.equal(run.clock.pending, 0);
});

Deno.test("exchange() waits on for a slow answer when its connection lives", async () => {
  let answer = (_: Response) => {};
  const run = setUp(
    () => new Promise((resolve) => answer = resolve),
    () => Promise.resolve(new Response("ok")),
    () => Promise.resolve(new Response("ok")),
  );
  const sending = run.send({});
  await run.clock.advance(11_000);
  answer(new Response("late"));
  await run.clock.advance(0);
  assert.equal(await (await sending).text(), "late");
  assert.deepEqual(run.lost, []);
});
