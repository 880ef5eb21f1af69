import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../tests/testing/arbitraries.ts";
import { a, soa } from "../../../tests/testing/fake_dns_network.ts";
import { createAnswer } from "../wire/answer.ts";
import type { Entry } from "./answer_cache.ts";
import { formatCacheFile, parseCacheFile } from "./cache_file.ts";

const entry = (fields: Partial<Entry> = {}): Entry => ({
  answer: createAnswer("a.example", {
    rcode: 0,
    authoritative: false,
    answers: [a("a.example", "1.1.1.1"), a("a.example", "1.1.1.2")],
  }),
  kind: "positive",
  storedAtMs: 400_000,
  ttlMs: 300_000,
  hits: 7,
  lastHitMs: 0,
  ...fields,
});
const negative = entry({
  kind: "negative",
  answer: createAnswer("b.example", {
    rcode: 3,
    authoritative: false,
    authorities: [soa("example", 60, 60)],
  }),
});
const FILE = formatCacheFile([["1 a.example", entry()], ["28d b.example", negative]], {
  nowMs: 10_000_000,
  monotonicMs: 500_000,
});

Deno.test("parseCacheFile() reads what formatCacheFile() wrote, beyond its time", () => {
  const read = parseCacheFile(FILE, { nowMs: 10_000_000 + 3_600_000, monotonicMs: 5_000 });
  assert.deepEqual(read.map(([key]) => key), ["1 a.example", "28d b.example"]);
  for (const [i, [, { storedAtMs, lastHitMs, answer, ...rest }]] of read.entries()) {
    const { storedAtMs: _, lastHitMs: __, answer: before, ...expected } = [entry(), negative][i]!;
    assert.deepEqual(rest, expected);
    assert.deepEqual({ ...answer, extendedError: undefined }, { ...before });
    assert.equal(lastHitMs, 5_000);
    // It was 100 s old, and the machine off for an hour.
    assert.equal(5_000 - storedAtMs, 100_000 + 3_600_000);
  }
});

Deno.test("parseCacheFile() takes nothing for fresh when the clock was set back", () => {
  const [[, read]] = parseCacheFile(FILE, { nowMs: 0, monotonicMs: 0 }) as [[string, Entry]];
  assert.equal(read.storedAtMs, -300_000);
});

Deno.test("S42 parseCacheFile() adds a day at most for the time that the machine was off: its clock may be ahead", () => {
  const years = 10 * 365 * 86_400_000;
  for (const nowMs of [10_000_000 + 86_400_000, 10_000_000 + years, Infinity]) {
    const read = parseCacheFile(FILE, { nowMs, monotonicMs: 5_000 });
    assert.deepEqual(read.map(([, { storedAtMs }]) => 5_000 - storedAtMs), [
      86_500_000,
      86_500_000,
    ]);
  }
});

Deno.test("S42 a damaged file of kept answers is a SyntaxError and nothing else", () => {
  const times = { nowMs: 0, monotonicMs: 0 };
  for (let cut = 0; cut < FILE.length; cut++) {
    assert.throws(() => parseCacheFile(FILE.subarray(0, cut), times), SyntaxError);
  }
  for (let at = 0; at < FILE.length; at++) {
    const bytes = FILE.slice();
    bytes[at]! ^= 0x10;
    assert.throws(() => parseCacheFile(bytes, times), SyntaxError);
  }
  fc.assert(
    fc.property(mutations, (changes) => {
      const bytes = mutate(FILE, changes);
      if (bytes.length === FILE.length && bytes.every((byte, i) => byte === FILE[i])) return;
      assert.throws(() => parseCacheFile(bytes, times), SyntaxError);
    }),
    { numRuns: FUZZ_RUNS / 10 },
  );
});
