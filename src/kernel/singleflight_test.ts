import assert from "node:assert/strict";
import fc from "fast-check";
import { Singleflight } from "./singleflight.ts";

Deno.test("do() shares one call among callers that come meanwhile", async () => {
  const flights = new Singleflight<number>();
  const gate = Promise.withResolvers<number>();
  let calls = 0;
  const both = ["a", "a"].map((key) => flights.do(key, () => (calls++, gate.promise)));
  gate.resolve(7);
  assert.deepEqual(await Promise.all(both), [7, 7]);
  assert.equal(calls, 1);
});

Deno.test("do() calls again once the former call has ended", async () => {
  const flights = new Singleflight<number>();
  let calls = 0;
  assert.equal(await flights.do("a", () => Promise.resolve(++calls)), 1);
  assert.equal(await flights.do("a", () => Promise.resolve(++calls)), 2);
});

Deno.test("do() fails every waiting caller and calls again when the call fails", async () => {
  const flights = new Singleflight<number>();
  const gate = Promise.withResolvers<number>();
  const both = ["a", "a"].map((key) => flights.do(key, () => gate.promise));
  gate.reject(new Error("gone"));
  for (const call of both) await assert.rejects(call, /gone/);
  assert.equal(await flights.do("a", () => Promise.resolve(1)), 1);
});

Deno.test("do() starts anew when the former call threw before its promise", async () => {
  const flights = new Singleflight<number>();
  assert.throws(() =>
    flights.do("a", () => {
      throw new Error("early");
    }), /early/);
  assert.equal(await flights.do("a", () => Promise.resolve(1)), 1);
});

Deno.test("do() never runs two calls of one key at a time whatever the order of events", async () => {
  await fc.assert(fc.asyncProperty(
    fc.scheduler(),
    fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 12 }),
    async (scheduler, keys) => {
      const flights = new Singleflight<string>();
      const running = new Map<string, number>();
      const call = async (key: string) => {
        running.set(key, (running.get(key) ?? 0) + 1);
        assert.equal(running.get(key), 1);
        await scheduler.schedule(Promise.resolve());
        running.set(key, 0);
        return key;
      };
      const callers = keys.map((key) =>
        scheduler.schedule(Promise.resolve()).then(() => flights.do(key, () => call(key)))
      );
      await scheduler.waitFor(Promise.all(callers));
      assert.deepEqual(await Promise.all(callers), keys);
    },
  ));
});
