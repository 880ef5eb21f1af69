import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import type { Answer } from "../../kube/answer.ts";
import { Announcement } from "../announcement.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { learnServers, parseServers, recallServers } from "./learned.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const slice = (addresses: unknown, more: Record<string, unknown> = {}, port: unknown = 6443) => ({
  endpoints: [{ addresses, ...more }],
  ports: [{ name: "https", port }],
});

Deno.test.each<{ name: string; body: unknown; want: string[] }>([
  { name: "one", body: slice(["10.0.0.1"]), want: ["https://10.0.0.1:6443"] },
  {
    name: "three of one endpoint and another",
    body: {
      ...slice(["10.0.0.1"]),
      endpoints: [{ addresses: ["10.0.0.1", "10.0.0.2"] }, { addresses: ["10.0.0.3"] }],
    },
    want: ["https://10.0.0.1:6443", "https://10.0.0.2:6443", "https://10.0.0.3:6443"],
  },
  { name: "IPv6", body: slice(["fd00::1"]), want: ["https://[fd00::1]:6443"] },
  {
    name: "one that is not ready",
    body: slice(["10.0.0.1"], { conditions: { ready: false } }),
    want: [],
  },
  { name: "one twice", body: slice(["10.0.0.1", "10.0.0.1"]), want: ["https://10.0.0.1:6443"] },
  { name: "a name", body: slice(["evil.example"]), want: [] },
  { name: "a path", body: slice(["10.0.0.1/evil", "10.0.0.1@evil"]), want: [] },
  { name: "no number for a port", body: slice(["10.0.0.1"], {}, "443/x"), want: [] },
  { name: "no port", body: slice(["10.0.0.1"], {}, 0), want: [] },
  { name: "nothing", body: {}, want: [] },
  { name: "null", body: null, want: [] },
  { name: "strange things", body: { endpoints: [null, { addresses: "10.0.0.1" }] }, want: [] },
])("parseServers() reads $name", ({ body, want }) => {
  assert.deepEqual(parseServers(encode(body)), want);
});

Deno.test("parseServers() bounds what it takes", () => {
  const addresses = Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`);
  assert.equal(parseServers(encode(slice(addresses))).length, 8);
});

Deno.test("parseServers() gives addresses or a SyntaxError whatever the bytes", () => {
  const good = encode(slice(["10.0.0.1", "fd00::1"]));
  fc.assert(
    fc.property(mutations, (changes) => {
      try {
        for (const url of parseServers(mutate(good, changes))) {
          assert.match(url, /^https:\/\/(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]):\d+$/);
        }
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

/** A cloud that answers what it is told to, and a place for what is kept. */
function setUp(answers: { status: number; body: unknown }[]) {
  const clock = new FakeClock();
  const asked: ProxyRequest[] = [];
  const kept = new Map<string, Uint8Array>();
  const learned: string[] = [];
  const stop = new AbortController();
  const anew = new Announcement();
  const running = learnServers({
    anew: () => anew.signal,
    caller: { kind: "identity", key: "identity:node" } as ProxyRequest["caller"],
    forwarder: {
      read: (request) => {
        asked.push(request);
        const answer = answers.shift();
        if (answer === undefined) return Promise.reject(new Error("cut"));
        return Promise.resolve(new Response(encode(answer.body), { status: answer.status }));
      },
    },
    link: { decided: () => Promise.resolve(), pause: () => Promise.resolve() },
    kept: { keep: (key: string, { body }: Answer) => void kept.set(key, body) },
    clock,
    learned: (url) => learned.push(url),
  }, stop.signal);
  const recall = () =>
    recallServers({
      get: (key: string) => {
        const body = kept.get(key);
        if (body === undefined) return undefined;
        return { status: 200, headers: {}, body, resourceVersion: "", atMs: 0 };
      },
    });
  return {
    ...{ clock, answers, asked, learned, recall, anew },
    async end() {
      stop.abort();
      await running;
      assert.equal(clock.pending, 0);
    },
  };
}

Deno.test("learnServers() keeps what the cluster says, for recallServers() after a restart", async () => {
  const run = setUp([{ status: 200, body: slice(["10.0.0.1"]) }]);
  assert.deepEqual(run.recall(), []);
  await run.clock.advance(1);
  assert.deepEqual(run.learned, ["https://10.0.0.1:6443"]);
  assert.deepEqual(run.recall(), ["https://10.0.0.1:6443"]);
  assert.match(run.asked[0]!.path, /namespaces\/default\/endpointslices\/kubernetes$/);
  await run.clock.advance(3_600_000);
  assert.equal(run.asked.length, 1, "servers move rarely");
  await run.end();
});

Deno.test("learnServers() that may not ask does so again only hours later", async () => {
  const run = setUp([{ status: 403, body: {} }]);
  await run.clock.advance(3_600_000);
  assert.equal(run.asked.length, 1);
  assert.deepEqual(run.recall(), []);
  await run.end();
});

Deno.test("learnServers() asks at once when somebody may ask at last", async () => {
  const run = setUp([]);
  await run.clock.advance(1);
  assert.deepEqual([run.asked.length, run.learned], [1, []]);
  run.answers.push({ status: 200, body: slice(["10.0.0.1"]) });
  run.anew.make();
  await run.clock.advance(1);
  assert.deepEqual(run.learned, ["https://10.0.0.1:6443"]);
  await run.end();
});

Deno.test("learnServers() keeps the old answer when the cluster is busy or says nonsense", async () => {
  const run = setUp([
    { status: 200, body: slice(["10.0.0.1"]) },
    { status: 429, body: {} },
    { status: 200, body: "nonsense" },
    { status: 200, body: { endpoints: [] } },
  ]);
  await run.clock.advance(24 * 3_600_000);
  assert.ok(run.asked.length >= 4);
  assert.deepEqual(run.recall(), ["https://10.0.0.1:6443"]);
  await run.end();
});
