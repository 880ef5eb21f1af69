import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { watchRotations } from "./rotation.ts";

Deno.test("watchRotations() looks at once and every 2 s, and one failure hides no other file", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  let broken = false;
  let changed = false;
  const running = watchRotations({
    clock,
    rotating: [
      {
        name: "fragile",
        renew: () => broken ? Promise.reject(new Error("half written")) : Promise.resolve(false),
      },
      { name: "other", renew: () => Promise.resolve(changed) },
    ],
    renewed: (name) => told.push(`renewed ${name}`),
    failed: (name, error) => told.push(`failed ${name}: ${error}`),
  }, stop.signal);
  await clock.advance(0);
  assert.deepEqual(told, []);
  broken = changed = true;
  await clock.advance(1_999);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told, ["failed fragile: half written", "renewed other"]);
  changed = false;
  await clock.advance(8_000);
  assert.equal(told.length, 2, "the same failure is told once");
  broken = false;
  await clock.advance(2_000);
  broken = true;
  await clock.advance(2_000);
  assert.equal(told.length, 3, "a new one again");
  stop.abort();
  await clock.advance(2_000);
  await running;
  assert.equal(clock.pending, 0);
});

Deno.test("watchRotations() tells whether there is a former one to go on with, also when nobody threw", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  let [missing, broken] = [true, false];
  const running = watchRotations({
    clock,
    rotating: [{
      name: "credential",
      renew: () => missing ? Promise.reject(new Error("not there")) : Promise.resolve(false),
      trouble: () => broken ? "half written" : undefined,
      hasFormer: () => !missing,
    }],
    renewed: () => {},
    failed: (name, error, former) => told.push(`${name}: ${error}, former: ${former}`),
  }, stop.signal);
  await clock.advance(4_000);
  missing = false;
  await clock.advance(4_000);
  broken = true;
  await clock.advance(4_000);
  assert.deepEqual(told, [
    "credential: not there, former: false",
    "credential: half written, former: true",
  ]);
  stop.abort();
  await clock.advance(2_000);
  await running;
});
