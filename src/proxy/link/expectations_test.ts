import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { Expectations } from "./expectations.ts";

const limits = { answerMs: 600, bodyMs: 2_500, maxMs: 10_000 };

Deno.test("next() is undefined while nothing is expected", () => {
  const expectations = new Expectations(new FakeClock());
  assert.equal(expectations.next(limits), undefined);
  const ended = expectations.expect("answer");
  ended();
  assert.equal(expectations.next(limits), undefined);
});

Deno.test.each([
  { what: "answer" as const, dueMs: 600 },
  { what: "body" as const, dueMs: 2_500 },
])("next() is due $dueMs ms after the wait for the next byte of $what began", ({ what, dueMs }) => {
  const expectations = new Expectations(new FakeClock());
  expectations.expect(what);
  assert.deepEqual(expectations.next(limits), { sinceMs: 0, dueMs });
});

Deno.test("next() is what is due first, whichever began first", async () => {
  const clock = new FakeClock();
  const expectations = new Expectations(clock);
  expectations.expect("body");
  await clock.advance(100);
  expectations.expect("answer");
  assert.deepEqual(expectations.next(limits), { sinceMs: 100, dueMs: 700 });
});

Deno.test("alive() lets everybody wait anew", async () => {
  const clock = new FakeClock();
  const expectations = new Expectations(clock);
  expectations.expect("answer");
  await clock.advance(500);
  expectations.alive();
  assert.equal(expectations.next(limits)?.dueMs, 1_100);
  assert.equal(expectations.lastByteMs, 500);
});

Deno.test("next() allows a body twice the longest gap that it had lately, up to a bound", async () => {
  const clock = new FakeClock();
  const expectations = new Expectations(clock);
  const due = () => expectations.next(limits)!.dueMs - clock.monotonic();
  expectations.expect("body");
  await clock.advance(2_000);
  expectations.alive();
  assert.equal(due(), 4_000);
  await clock.advance(8_000);
  expectations.alive();
  assert.equal(due(), 10_000);
  for (let i = 0; i < 200; i++) {
    await clock.advance(10);
    expectations.alive();
  }
  assert.equal(due(), 2_500);
});
