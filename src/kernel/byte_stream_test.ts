import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { MemoryStream } from "../../tests/testing/memory_stream.ts";
import { LINGER_MS, splice } from "./byte_stream.ts";

/** Two ends and the splice between them. */
function start(prepare: (left: MemoryStream, right: MemoryStream) => void = () => {}) {
  const [left, right] = [new MemoryStream(), new MemoryStream()];
  const clock = new FakeClock();
  const stop = new AbortController();
  prepare(left, right);
  const over = splice([left, right], { clock, signal: stop.signal });
  return { left, right, clock, stop, over };
}

Deno.test("splice() carries both ways to the ends", async () => {
  const { left, right, over, clock } = start();
  left.say("a", "b", null);
  right.say("1", "2", "3", null);
  await over;
  assert.deepEqual([left.written, right.written], ["123", "ab"]);
  for (const side of [left, right]) assert.deepEqual([side.ended, side.closed], [true, true]);
  assert.equal(clock.pending, 0);
});

Deno.test.each([
  { name: "left", first: 0 },
  { name: "right", first: 1 },
])(
  "splice() delivers what is under way behind an end of the $name side",
  async ({ name, first }) => {
    const { left, right, over } = start();
    const sides = [left, right] as const;
    const [ending, going] = [sides[first]!, sides[1 - first]!];
    ending.say("last", null);
    await setImmediate();
    assert.deepEqual([going.written, going.ended, going.closed], ["last", true, false]);
    going.say("still", null);
    assert.equal(await over, name);
    assert.equal(ending.written, "still");
  },
);

Deno.test("splice() does not wait for ever for the other side", async () => {
  const { left, right, over, clock } = start();
  left.say(null);
  await setImmediate();
  assert.equal(right.closed, false);
  await clock.advance(LINGER_MS);
  assert.equal(await over, "left");
  assert.ok(left.closed && right.closed);
});

Deno.test("splice() closes both when one of them breaks", async () => {
  const { left, right, over } = start();
  right.close();
  left.say("into the void");
  assert.equal(await over, "right");
  assert.ok(left.closed);
});

Deno.test("splice() closes both at an abort, also while one does not take what it is given", async () => {
  const { left, right, over, stop, clock } = start((left) => left.stuck = true);
  right.say("a");
  await setImmediate();
  stop.abort();
  assert.equal(await over, "aborted");
  assert.ok(left.closed && right.closed);
  assert.equal(clock.pending, 0);
});

Deno.test("splice() reads no further while the other side is stuck", async () => {
  let reads = 0;
  const { left, right, over, stop } = start((left, right) => {
    left.stuck = true;
    const read = right.read.bind(right);
    right.read = () => {
      reads++;
      return read();
    };
    right.say("a", "b", "c");
  });
  await setImmediate();
  assert.equal(reads, 1);
  stop.abort();
  await over;
  assert.ok(left.closed && right.closed);
});

Deno.test("splice() closes both when it was aborted before", async () => {
  const [left, right] = [new MemoryStream(), new MemoryStream()];
  const options = { clock: new FakeClock(), signal: AbortSignal.abort() };
  assert.equal(await splice([left, right], options), "aborted");
  assert.ok(left.closed && right.closed);
});
