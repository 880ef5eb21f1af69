import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { Alarm } from "./alarm.ts";

const { signal } = new AbortController();

Deno.test("Alarm.sleep() ends when its time is over", async () => {
  const clock = new FakeClock();
  const sleeping = new Alarm(clock).sleep(100, signal);
  await clock.advance(100);
  assert.equal(await sleeping, false);
});

Deno.test("Alarm.ring() ends a sleep and leaves no timer", async () => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  const sleeping = alarm.sleep(100, signal);
  alarm.ring();
  assert.equal(await sleeping, true);
  assert.equal(clock.pending, 0);
});

Deno.test("Alarm.ring() is not lost when nobody sleeps, and counts once", async () => {
  const clock = new FakeClock();
  const alarm = new Alarm(clock);
  alarm.ring();
  alarm.ring();
  assert.equal(await alarm.sleep(100, signal), true);
  const again = alarm.sleep(100, signal);
  await clock.advance(100);
  assert.equal(await again, false);
});

Deno.test("Alarm.sleep() ends when it is told to stop", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const sleeping = new Alarm(clock).sleep(100, stop.signal);
  stop.abort();
  assert.equal(await sleeping, false);
  assert.equal(clock.pending, 0);
});
