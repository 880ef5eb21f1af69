import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { PATIENCE_MS, withPatience } from "./patience.ts";

/** A body, and what became of it. */
function start() {
  const clock = new FakeClock();
  let source: ReadableStreamDefaultController<Uint8Array>;
  let cancelled = false;
  let stuck = 0;
  const body = withPatience(
    new ReadableStream<Uint8Array>({
      start: (controller) => void (source = controller),
      cancel: () => void (cancelled = true),
    }),
    clock,
    () => stuck++,
  );
  const reader = body.getReader();
  return {
    clock,
    reader,
    say: (byte: number) => source.enqueue(Uint8Array.of(byte)),
    end: () => source.close(),
    fail: (error: Error) => source.error(error),
    read: async () => (await reader.read()).value?.[0],
    facts: () => ({ cancelled, stuck, pending: clock.pending }),
  };
}

Deno.test("withPatience() cuts a body that nobody reads on", async () => {
  const { clock, reader, say, read, facts } = start();
  say(1);
  say(2);
  assert.equal(await read(), 1);
  await clock.advance(PATIENCE_MS);
  assert.equal(facts().stuck, 0);
  await clock.advance(PATIENCE_MS);
  assert.deepEqual(facts(), { cancelled: true, stuck: 1, pending: 0 });
  await assert.rejects(reader.read(), /read nothing/);
});

Deno.test("withPatience() lets a slow reader and a quiet source be", async () => {
  const { clock, say, read, facts } = start();
  for (let i = 0; i < 5; i++) {
    say(i);
    assert.equal(await read(), i);
    await clock.advance(PATIENCE_MS - 1);
  }
  const next = read();
  await clock.advance(PATIENCE_MS * 10);
  assert.deepEqual(facts(), { cancelled: false, stuck: 0, pending: 1 });
  say(9);
  assert.equal(await next, 9);
});

Deno.test("withPatience() leaves nothing behind an end, an error and a reader that leaves", async () => {
  const ended = start();
  ended.end();
  assert.equal(await ended.read(), undefined);
  assert.deepEqual(ended.facts(), { cancelled: false, stuck: 0, pending: 0 });

  const failed = start();
  failed.fail(new Error("damaged"));
  await assert.rejects(failed.read(), /damaged/);
  assert.deepEqual(failed.facts(), { cancelled: false, stuck: 0, pending: 0 });

  const left = start();
  await left.reader.cancel();
  await setImmediate();
  assert.deepEqual(left.facts(), { cancelled: true, stuck: 0, pending: 0 });
});
