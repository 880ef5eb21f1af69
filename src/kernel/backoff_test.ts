import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { Backoff } from "./backoff.ts";

const delays = (backoff: Backoff, count: number) =>
  Array.from({ length: count }, () => backoff.next());

Deno.test("next() doubles from client-go's 800 ms up to half of 30 s when there is no jitter", () => {
  const backoff = new Backoff(new FakeClock(), { random: () => 0 });
  assert.deepEqual(delays(backoff, 7), [800, 1600, 3200, 6400, 12800, 15000, 15000]);
});

Deno.test("next() still has jitter at its longest", () => {
  const jitters = [0, 0.25, 0.5, 0.999];
  const longest = jitters.map((jitter) => {
    const backoff = new Backoff(new FakeClock(), { random: () => jitter });
    return Math.round(delays(backoff, 20).at(-1)!);
  });
  assert.deepEqual(longest, [15_000, 18_750, 22_500, 29_985]);
});

Deno.test("next() starts over after reset()", () => {
  const backoff = new Backoff(new FakeClock(), {
    minDelayMs: 10,
    maxDelayMs: 100,
    random: () => 0,
  });
  assert.deepEqual(delays(backoff, 3), [10, 20, 40]);
  backoff.reset();
  assert.equal(backoff.next(), 10);
});

Deno.test("next() lies between the nominal delay and twice that, and below the maximum", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 5_000 }),
    fc.integer({ min: 0, max: 100_000 }),
    fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1 }),
    (minDelayMs, more, jitters) => {
      const maxDelayMs = minDelayMs + more;
      let tries = 0;
      const backoff = new Backoff(new FakeClock(), {
        minDelayMs,
        maxDelayMs,
        random: () => jitters[tries]!,
      });
      for (; tries < jitters.length; tries++) {
        const nominal = Math.min(Math.max(minDelayMs, maxDelayMs / 2), minDelayMs * 2 ** tries);
        const delay = backoff.next();
        assert.ok(delay >= nominal && delay <= Math.min(maxDelayMs, 2 * nominal), `${delay}`);
      }
    },
  ));
});

Deno.test("next() stays finite after any number of failures", () => {
  const backoff = new Backoff(new FakeClock(), { random: () => 0.999 });
  assert.equal(delays(backoff, 5_000).at(-1), 15_000 * 1.999);
});

Deno.test.each([
  { name: "is zero", minDelayMs: 0, maxDelayMs: 10 },
  { name: "is above the longest", minDelayMs: 11, maxDelayMs: 10 },
  { name: "is not a number", minDelayMs: NaN, maxDelayMs: 10 },
])("Backoff refuses bounds when the first delay $name", ({ minDelayMs, maxDelayMs }) => {
  assert.throws(() => new Backoff(new FakeClock(), { minDelayMs, maxDelayMs }), RangeError);
});

Deno.test("wait() resolves after the delay and not before", async () => {
  const clock = new FakeClock();
  let done = false;
  const waiting = new Backoff(clock, { random: () => 0 }).wait().then(() => done = true);
  await clock.advance(799);
  assert.equal(done, false);
  await clock.advance(1);
  assert.equal(done, true);
  await waiting;
});

Deno.test("wait() resolves at once and leaves no timer when its signal aborts", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const waiting = new Backoff(clock).wait(stop.signal);
  stop.abort();
  await waiting;
  assert.equal(clock.pending, 0);
});
