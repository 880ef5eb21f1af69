import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import type { HttpClient } from "../../platform/net.ts";
import { Prober } from "./prober.ts";

type Behaviour =
  | { answersAfterMs: number; status?: number; type?: string }
  | { fails: string };

/** A server whose connections behave as told, one after the other. */
function setUp(url = "https://cloud:6443") {
  const clock = new FakeClock();
  const plan: Behaviour[] = [];
  const made: { protocol: string; asked: number; closed: boolean }[] = [];
  const connected: string[] = [];
  const late: number[] = [];
  const prober = new Prober(
    {
      url,
      connected: (protocol) => connected.push(protocol),
      connect: (protocol) => {
        const entry = { protocol, asked: 0, closed: false };
        made.push(entry);
        const client: HttpClient = {
          async fetch(_url, { signal, headers: sent }) {
            entry.asked++;
            assert.equal(new Headers(sent).get("authorization"), "Bearer t");
            const behaviour = plan.shift() ?? { answersAfterMs: 30 };
            if ("fails" in behaviour) throw new TypeError(behaviour.fails);
            await clock.sleep(behaviour.answersAfterMs, signal!);
            signal!.throwIfAborted();
            const headers = { "content-type": behaviour.type ?? "text/plain" };
            return new Response("ok", { status: behaviour.status ?? 200, headers });
          },
          [Symbol.dispose]: () => void (entry.closed = true),
        };
        return Promise.resolve({ client, token: "t" });
      },
    },
    clock,
    (roundTripMs) => late.push(roundTripMs),
  );
  const stop = new AbortController();
  const probe = async (advanceMs = 1_000) => {
    const found = prober.probe(1_000, stop.signal);
    await clock.advance(advanceMs);
    return await found;
  };
  return {
    ...{ clock, plan, made, connected, late, prober, probe },
    async end() {
      stop.abort();
      prober[Symbol.dispose]();
      await clock.advance(0);
      assert.equal(clock.pending, 0);
      assert.ok(made.every(({ closed }) => closed), "a client is left open");
    },
  };
}

Deno.test("probe() takes a new connection for three round trips, and keeps it for the next probe", async () => {
  const run = setUp();
  assert.deepEqual(await run.probe(), { result: "answered", roundTripMs: 10 });
  assert.deepEqual(await run.probe(), { result: "answered", roundTripMs: 30 });
  assert.deepEqual(run.made.map(({ asked }) => asked), [2]);
  assert.deepEqual(run.connected, ["h2"]);
  await run.end();
});

Deno.test("probe() is silent after its time, and the answer that comes later is told", async () => {
  const run = setUp();
  run.plan.push({ answersAfterMs: 6_000 }, { answersAfterMs: 6_000 });
  const found = await run.probe();
  assert.equal(found.result === "silent" && found.late, true);
  // The next one does not wait behind it.
  await run.probe();
  assert.deepEqual(run.made.map(({ asked }) => asked), [1, 1]);
  await run.clock.advance(3_999);
  assert.deepEqual(run.late, []);
  await run.clock.advance(1);
  assert.deepEqual(run.late, [2_000]);
  await run.clock.advance(10_000);
  assert.deepEqual(run.late, [2_000], "one answer is enough");
  await run.end();
});

Deno.test("probe() gives up on a late answer after 10 s, and on the oldest of five", async () => {
  const run = setUp();
  for (let i = 0; i < 8; i++) run.plan.push({ answersAfterMs: 60_000 });
  for (let i = 0; i < 8; i++) await run.probe();
  assert.ok(run.made.filter(({ closed }) => !closed).length <= 5);
  await run.clock.advance(10_000);
  assert.ok(run.made.every(({ closed }) => closed));
  assert.deepEqual(run.late, []);
  await run.end();
});

Deno.test("probe() speaks HTTP/1.1 to a server that has no HTTP/2", async () => {
  const run = setUp();
  run.plan.push({
    fails: "client error (Connect): received fatal alert: NoApplicationProtocol",
  });
  assert.equal((await run.probe()).result, "answered");
  assert.deepEqual(run.made.map(({ protocol }) => protocol), ["h2", "http/1.1"]);
  assert.deepEqual(run.connected, ["http/1.1"]);
  await run.end();
});

Deno.test.each<{ name: string; behaviour: Behaviour; url?: string; want: string }>([
  { name: "refused", behaviour: { fails: "Connection refused (os error 111)" }, want: "silent" },
  {
    name: "not who it should be",
    behaviour: { fails: "invalid peer certificate: UnknownIssuer" },
    want: "rejected",
  },
  {
    name: "an expired certificate",
    behaviour: { fails: "invalid peer certificate: certificate expired" },
    want: "rejected",
  },
  {
    name: "answered by a middlebox",
    behaviour: { answersAfterMs: 1, status: 503, type: "text/html" },
    want: "silent",
  },
  {
    name: "answered by a captive portal",
    behaviour: { answersAfterMs: 1, type: "text/html" },
    url: "http://cloud:8080",
    want: "silent",
  },
  {
    name: "led elsewhere by a captive portal",
    behaviour: { answersAfterMs: 1, status: 302, type: "text/html" },
    url: "http://cloud:8080",
    want: "silent",
  },
  {
    name: "unauthorized",
    behaviour: { answersAfterMs: 1, status: 401, type: "application/json" },
    want: "answered",
  },
  {
    name: "not ready",
    behaviour: { answersAfterMs: 1, status: 500, type: "text/plain" },
    want: "answered",
  },
])("probe() that is $name says $want", async ({ behaviour, url, want }) => {
  const run = setUp(url);
  run.plan.push(behaviour);
  assert.equal((await run.probe()).result, want);
  await run.end();
});

Deno.test("probe() connects anew when its credential is no longer taken", async () => {
  const run = setUp();
  run.plan.push({ answersAfterMs: 30, status: 401, type: "application/json" });
  assert.equal((await run.probe()).result, "answered");
  assert.equal((await run.probe()).result, "answered");
  assert.deepEqual(run.made.map(({ asked, closed }) => [asked, closed]), [[1, true], [1, false]]);
  await run.end();
});

Deno.test("probe() makes a new connection after a failure", async () => {
  const run = setUp();
  await run.probe();
  run.plan.push({ fails: "connection reset" });
  assert.equal((await run.probe()).result, "silent");
  assert.equal((await run.probe()).result, "answered");
  assert.deepEqual(run.made.map(({ asked }) => asked), [2, 1]);
  assert.deepEqual(run.connected, ["h2", "h2"], "older connections may be dead too");
  await run.end();
});
