import assert from "node:assert/strict";
import fc from "fast-check";
import { RoundTrip } from "./round_trip.ts";

const bounds = { minMs: 1_000, maxMs: 10_000 };

Deno.test("RoundTrip.limitMs is the shortest bound before the first sample", () => {
  const roundTrip = new RoundTrip();
  assert.equal(roundTrip.ms, undefined);
  assert.equal(roundTrip.limitMs(4, bounds), 1_000);
});

Deno.test("RoundTrip.limitMs allows for a round trip that grew a hundredfold after one sample of it", () => {
  const roundTrip = new RoundTrip();
  for (let i = 0; i < 100; i++) roundTrip.measure(20);
  assert.equal(roundTrip.limitMs(4, bounds), 1_000);
  roundTrip.measure(2_000);
  assert.ok(roundTrip.limitMs(4, bounds) > 2_500, `${roundTrip.limitMs(4, bounds)}`);
});

Deno.test("RoundTrip.measure() believes the first sample after an outage", () => {
  const roundTrip = new RoundTrip();
  roundTrip.measure(20);
  roundTrip.measure(2_000, { afresh: true });
  assert.equal(roundTrip.ms, 2_000);
  assert.equal(roundTrip.limitMs(4, bounds), 8_000);
});

Deno.test("RoundTrip stays between the extremes that it saw, and its limits within their bounds", () => {
  const samples = fc.array(fc.double({ min: 0, max: 60_000, noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(samples, (trips) => {
    const roundTrip = new RoundTrip();
    for (const each of trips) roundTrip.measure(each);
    const [low, high] = [Math.min(...trips), Math.max(...trips)];
    assert.ok(roundTrip.ms! >= low - 1e-6 && roundTrip.ms! <= high + 1e-6);
    const limit = roundTrip.limitMs(3, bounds);
    assert.ok(limit >= bounds.minMs && limit <= bounds.maxMs);
  }));
});
