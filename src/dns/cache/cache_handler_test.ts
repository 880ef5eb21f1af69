import assert from "node:assert/strict";
import fc from "fast-check";
import { handledOf, request, ScriptedHandler, shown } from "../../../tests/testing/dns_chain.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { a, soa } from "../../../tests/testing/fake_dns_network.ts";
import { createFailure, type DnsRequest, type Handled } from "../chain.ts";
import { RCODE } from "../wire/rcode.ts";
import { readAnswer } from "../wire/answer.ts";
import { AnswerCache, type AnswerCacheOptions } from "./answer_cache.ts";
import { TTL_BOUNDS } from "./answer_ttl.ts";
import { CacheHandler, type CacheHandlerOptions } from "./cache_handler.ts";

const DAY_MS = 86_400_000;
const UNREACHABLE = createFailure(RCODE.SERVFAIL, "no name server can be reached", 22);
const address = (ip: string, ttlSeconds = 300) => ({ query: { name } }: DnsRequest): Handled =>
  handledOf(name, { answers: [a(name, ip, ttlSeconds)] });
const unreachable = (): Handled => UNREACHABLE;

function start(options: Partial<AnswerCacheOptions & CacheHandlerOptions> = {}) {
  const clock = new FakeClock();
  const cache = new AnswerCache(
    { maxBytes: 1_000_000, maxStaleMs: 3 * DAY_MS, ttl: TTL_BOUNDS, ...options },
    clock,
  );
  const handler = new CacheHandler(cache, clock, options);
  const upstream = new ScriptedHandler(address("1.1.1.1"));
  const ask = async (name: string, fields: Partial<DnsRequest["query"]> = {}) => {
    const asked = request(name, fields);
    return shown(asked, await handler.handle(asked, upstream.next));
  };
  return { clock, cache, handler, upstream, ask };
}

Deno.test("CacheHandler answers from memory and counts the TTL down", async () => {
  const { clock, upstream, ask } = start();
  assert.equal(await ask("a.example"), "upstream NOERROR a.example. 300 IN A 1.1.1.1");
  await clock.advance(100_500);
  assert.equal(await ask("a.example"), "cache NOERROR a.example. 199 IN A 1.1.1.1");
  await clock.advance(200_000);
  assert.equal(await ask("a.example"), "upstream NOERROR a.example. 300 IN A 1.1.1.1");
  assert.equal(upstream.asked.length, 2);
});

Deno.test("CacheHandler tells name, type, DO and CD apart", async () => {
  const { upstream, ask } = start();
  const edns = { udpSizeBytes: 1232, version: 0, dnssecOk: true, options: [] };
  for (const _ of [1, 2]) {
    await ask("a.example");
    await ask("b.example");
    await ask("a.example", { type: 28 });
    await ask("a.example", { edns });
    await ask("a.example", { checkingDisabled: true });
    await ask("a.example", { edns: { ...edns, dnssecOk: false, udpSizeBytes: 512 } });
  }
  assert.equal(upstream.asked.length, 5);
});

Deno.test("CacheHandler keeps negative answers as long as their SOA says, and failures for 5 s", async () => {
  const { clock, upstream, ask } = start();
  upstream.answer = ({ query: { name } }) =>
    name === "no.example"
      ? handledOf(name, { rcode: 3, authorities: [soa("example", 900, 60)] })
      : handledOf(name, { rcode: 2 });
  assert.equal(await ask("no.example"), "upstream NXDOMAIN");
  assert.equal(await ask("broken.example"), "upstream SERVFAIL");
  await clock.advance(4_000);
  assert.equal(await ask("no.example"), "cache NXDOMAIN");
  assert.equal(await ask("broken.example"), "cache SERVFAIL");
  await clock.advance(2_000);
  assert.equal(await ask("broken.example"), "upstream SERVFAIL");
  await clock.advance(55_000);
  assert.equal(await ask("no.example"), "upstream NXDOMAIN");
});

Deno.test("CacheHandler does not keep what no upstream said", async () => {
  const { upstream, ask, cache } = start();
  upstream.answer = unreachable;
  assert.equal(await ask("a.example"), "none SERVFAIL EDE22");
  upstream.answer = address("1.1.1.1");
  assert.equal(await ask("a.example"), "upstream NOERROR a.example. 300 IN A 1.1.1.1");
  assert.equal(cache.count, 1);
});

Deno.test("CacheHandler asks for nothing when no recursion is desired", async () => {
  const { upstream, ask, clock } = start();
  upstream.answer = (asked) =>
    asked.query.recursionDesired ? address("1.1.1.1")(asked) : createFailure(5, "no", 20);
  const recursionDesired = false;
  assert.equal(await ask("a.example", { recursionDesired }), "none REFUSED EDE20");
  await ask("a.example");
  assert.match(await ask("a.example", { recursionDesired }), /^cache NOERROR/);
  await clock.advance(301_000);
  assert.equal(await ask("a.example", { recursionDesired }), "none REFUSED EDE20");
});

Deno.test("S42 upstreams gone: the last known good comes at once, with TTL 30 and EDE 3", async () => {
  const { clock, upstream, ask } = start();
  await ask("a.example");
  upstream.answer = unreachable;
  await clock.advance(2 * DAY_MS);
  assert.equal(await ask("a.example"), "stale NOERROR EDE3 a.example. 30 IN A 1.1.1.1");
  assert.equal(await ask("never-seen.example"), "none SERVFAIL EDE22");
  await clock.advance(DAY_MS + 300_000);
  assert.equal(await ask("a.example"), "none SERVFAIL EDE22", "not beyond maxStale");
});

Deno.test("S42 what does not exist still does not when upstreams are gone", async () => {
  const { clock, upstream, ask } = start();
  upstream.answer = ({ query: { name } }) =>
    handledOf(name, { rcode: 3, authorities: [soa("example", 900, 60)] });
  await ask("web.corp.example");
  upstream.answer = unreachable;
  await clock.advance(DAY_MS);
  assert.equal(await ask("web.corp.example"), "stale NXDOMAIN EDE19");
});

Deno.test("S42 a slow upstream costs 1.8 s once: later clients get the stale answer at once for 30 s", async () => {
  const { clock, upstream, ask } = start();
  await ask("a.example");
  await clock.advance(301_000);
  upstream.answer = () => clock.sleep(5_000).then(() => UNREACHABLE);
  const slow = ask("a.example");
  let early = true;
  void slow.then(() => early = false);
  await clock.advance(1_799);
  assert.ok(early);
  await clock.advance(1);
  assert.match(await slow, /^stale NOERROR EDE3 .* 30 /);
  await clock.advance(3_200);
  assert.match(await ask("a.example"), /^stale/);
  assert.equal(upstream.asked.length, 2);
  await clock.advance(30_000);
  upstream.answer = address("2.2.2.2");
  assert.match(await ask("a.example"), /^upstream .* 2\.2\.2\.2$/);
  assert.equal(clock.pending, 0, "no timer is left behind a good answer");
});

Deno.test("S42 an answer that is late for its client is there for the next one", async () => {
  const { clock, upstream, ask } = start();
  await ask("a.example");
  await clock.advance(301_000);
  upstream.answer = (asked) => clock.sleep(3_000).then(() => address("2.2.2.2")(asked));
  const slow = ask("a.example");
  await clock.advance(3_000);
  assert.match(await slow, /^stale .* 1\.1\.1\.1$/);
  assert.match(await ask("a.example"), /^cache .* 300 .* 2\.2\.2\.2$/);
});

Deno.test("S42 a SERVFAIL of an upstream does not take the place of the last known good", async () => {
  const { clock, upstream, ask } = start();
  await ask("a.example");
  await clock.advance(301_000);
  upstream.answer = ({ query: { name } }) => handledOf(name, { rcode: 2 });
  assert.match(await ask("a.example"), /^stale NOERROR EDE3/);
  await clock.advance(1_000);
  assert.match(await ask("a.example"), /^stale NOERROR EDE3/);
  upstream.answer = ({ query: { name } }) => handledOf(name, { rcode: 3 });
  await clock.advance(31_000);
  assert.equal(await ask("a.example"), "upstream NXDOMAIN", "but the truth does");
});

Deno.test("forgetFailures() lets the next question be asked at once", async () => {
  const { clock, upstream, ask, cache } = start();
  await ask("a.example");
  await clock.advance(301_000);
  upstream.answer = unreachable;
  assert.match(await ask("a.example"), /^stale/);
  upstream.answer = address("2.2.2.2");
  assert.match(await ask("a.example"), /^stale/);
  cache.forgetFailures();
  assert.match(await ask("a.example"), /^upstream .* 2\.2\.2\.2$/);
});

Deno.test("maxStale of 0 serves nothing beyond its time", async () => {
  const { clock, upstream, ask } = start({ maxStaleMs: 0 });
  await ask("a.example");
  upstream.answer = unreachable;
  await clock.advance(301_000);
  assert.equal(await ask("a.example"), "none SERVFAIL EDE22");
});

Deno.test("CacheHandler renews a popular answer before it ends, once, and no other", async () => {
  const { clock, upstream, ask } = start();
  for (let i = 0; i < 3; i++) await ask("popular.example");
  await ask("rare.example");
  await clock.advance(55_000);
  for (let i = 0; i < 4; i++) {
    await ask("popular.example");
    await clock.advance(55_000);
  }
  assert.equal(upstream.asked.length, 2);
  upstream.answer = (asked) => clock.sleep(100).then(() => address("2.2.2.2")(asked));
  assert.match(await ask("popular.example"), /^cache .* 25 .* 1\.1\.1\.1$/);
  await Promise.all([1, 2, 3].map(() => ask("popular.example")));
  assert.equal(upstream.asked.length, 3);
  await clock.advance(100);
  assert.match(await ask("popular.example"), /^cache .* 300 .* 2\.2\.2\.2$/);
  await ask("rare.example");
  assert.equal(upstream.asked.filter((name) => name === "rare.example").length, 1);
});

Deno.test("CacheHandler renews nothing for a question without recursion, and for the next one with it", async () => {
  const { clock, upstream, ask } = start();
  upstream.answer = (asked) =>
    asked.query.recursionDesired ? address("1.1.1.1", 60)(asked) : createFailure(5, "no", 20);
  for (let i = 0; i < 3; i++) await ask("a.example");
  await clock.advance(55_000);
  await ask("a.example", { recursionDesired: false });
  assert.equal(upstream.asked.length, 1);
  assert.match(await ask("a.example"), /^cache .* 5 /);
  assert.equal(upstream.asked.length, 2);
  await clock.advance(0);
  assert.match(await ask("a.example"), /^cache .* 60 /);
});

Deno.test("CacheHandler asks again after a refusal for want of room: it is no failure of name servers", async () => {
  const { clock, upstream, ask } = start();
  await ask("a.example");
  await clock.advance(301_000);
  upstream.answer = () => createFailure(RCODE.REFUSED, "too many questions are under way");
  assert.match(await ask("a.example"), /^stale NOERROR EDE3/);
  upstream.answer = address("2.2.2.2");
  assert.match(await ask("a.example"), /^upstream .* 2\.2\.2\.2$/);
});

Deno.test("CacheHandler asks once for many who ask the same", async () => {
  const { clock, upstream, ask } = start();
  upstream.answer = (asked) => clock.sleep(100).then(() => address("1.1.1.1")(asked));
  const asked = Array.from({ length: 30 }, () => ask("a.example"));
  await clock.advance(100);
  assert.equal(new Set(await Promise.all(asked)).size, 1);
  assert.equal(upstream.asked.length, 1);
});

/** What may happen next to the cache of the model test. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant("ask" as const), name: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("wait" as const),
      ms: fc.oneof(fc.nat(2_000), fc.nat(400_000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("upstream" as const),
      is: fc.constantFrom("up", "slow", "down", "failing", "negative"),
      ttl: fc.constantFrom(0, 1, 7, 60, 300, 10_000),
    }),
  },
);
const manySteps = fc.array(step, { minLength: 10, maxLength: 60, size: "max" });

Deno.test("the cache never serves an answer beyond its time but as stale, with TTL 30 and EDE, and never asks twice at a time", async () => {
  await fc.assert(fc.asyncProperty(manySteps, async (steps) => {
    const { clock, upstream, handler } = start({ maxStaleMs: 600_000 });
    let [serial, mode, ttl] = [0, "up", 300];
    // What upstreams said of each name: the number of the answer, when, and for how long.
    const said = new Map<string, { atMs: number; ttlMs: number }>();
    const busy = new Set<string>();
    upstream.answer = async ({ query: { name } }) => {
      assert.ok(!busy.has(name), `${name} is asked for twice at a time`);
      busy.add(name);
      const now = mode;
      await clock.sleep(now === "slow" ? 2_500 : 20);
      busy.delete(name);
      if (now === "down") return UNREACHABLE;
      if (now === "failing") return handledOf(name, { rcode: 2 });
      const id = ++serial;
      const isNegative = now === "negative";
      const [min, max] = [5, isNegative ? 1_800 : 3_600];
      const ttlMs = 1_000 * Math.min(max, Math.max(min, ttl));
      said.set(`${name} ${id}`, { atMs: clock.monotonic(), ttlMs });
      return isNegative
        ? handledOf(name, { rcode: 3, authorities: [soa(`s${id}`, ttl, ttl)] })
        : handledOf(name, { answers: [a(name, `10.0.${id >> 8}.${id & 255}`, ttl)] });
    };
    const checked: Promise<void>[] = [];
    const check = (name: string, { answer, source }: Handled) => {
      if (source === "none" || answer.rcode === 2) return;
      const { answers, authorities } = readAnswer(name, 1, answer);
      const record = [...answers, ...authorities][0]!;
      const id = record.data.kind === "address"
        ? record.data.address.split(".").slice(2).reduce((sum, part) => 256 * sum + +part, 0)
        : +record.name.slice(1);
      const { atMs, ttlMs } = said.get(`${name} ${id}`)!;
      const leftMs = atMs + ttlMs - clock.monotonic();
      if (source === "stale") {
        assert.ok(leftMs <= 0 && -leftMs < 600_000 + 2_000, `${leftMs} ms left of a stale one`);
        assert.equal(record.ttlSeconds, 30);
        assert.equal(answer.extendedError?.code, answer.rcode === 3 ? 19 : 3);
      } else {
        assert.ok(leftMs > 0 || source === "upstream", `${leftMs} ms left`);
        assert.ok(record.ttlSeconds * 1_000 <= Math.max(leftMs, 0) + 1, `TTL ${record.ttlSeconds}`);
        assert.equal(answer.extendedError, undefined);
      }
    };
    for (const each of steps) {
      if (each.op === "wait") await clock.advance(each.ms);
      else if (each.op === "upstream") [mode, ttl] = [each.is, each.ttl];
      else {
        const name = `n${each.name}.example`;
        const handled = handler.handle(request(name), upstream.next);
        checked.push(Promise.resolve(handled).then((done) => check(name, done)));
      }
    }
    await clock.advance(10_000);
    await Promise.all(checked);
    assert.equal(clock.pending, 0);
  }));
});
