import assert from "node:assert/strict";
import { nextTurn, systemClock } from "./clock.ts";

Deno.test("timer() of the system's clock does not fire at once because its time is very long", async () => {
  let fired = false;
  const cancel = systemClock.timer(10_000_000_000, () => fired = true);
  // A shorter one that was begun later fires first.
  await systemClock.sleep(5);
  await nextTurn();
  cancel();
  assert.equal(fired, false);
});

Deno.test("sleep() of the system's clock is over at once when its time has passed", async () => {
  await systemClock.sleep(-1_000);
});
