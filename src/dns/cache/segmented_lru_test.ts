import assert from "node:assert/strict";
import fc from "fast-check";
import { SegmentedLru } from "./segmented_lru.ts";

Deno.test("SegmentedLru keeps what was used twice through a flood of what was used once", () => {
  const lru = new SegmentedLru<number>(1_000);
  for (let i = 0; i < 7; i++) {
    lru.set(`kept ${i}`, i, 100);
    lru.use(`kept ${i}`);
  }
  // A new value is as well protected as the former one.
  lru.set("kept 0", 0, 100);
  for (let i = 0; i < 1_000; i++) lru.set(`flood ${i}`, i, 100);
  for (let i = 0; i < 7; i++) assert.equal(lru.peek(`kept ${i}`), i);
  assert.equal(lru.count, 10);
});

Deno.test("SegmentedLru lets what was not used for longest go first", () => {
  const lru = new SegmentedLru<number>(1_000);
  for (let i = 0; i < 10; i++) lru.set(`${i}`, i, 100);
  lru.use("0");
  lru.set("new", 10, 100);
  assert.equal(lru.peek("0"), 0);
  assert.equal(lru.peek("1"), undefined);
});

Deno.test("SegmentedLru does not let one large value push all others out", () => {
  const lru = new SegmentedLru<number>(1_000);
  lru.set("a", 1, 100);
  lru.set("a", 2, 126);
  assert.equal(lru.peek("a"), undefined, "nor keeps what it was to replace");
  lru.set("b", 1, 125);
  assert.equal(lru.peek("b"), 1);
});

const step = fc.oneof(
  fc.record({
    op: fc.constant("set" as const),
    key: fc.nat(20),
    size: fc.integer({ min: 1, max: 140 }),
  }),
  fc.record({ op: fc.constant("use" as const), key: fc.nat(20), size: fc.constant(0) }),
  fc.record({ op: fc.constant("delete" as const), key: fc.nat(20), size: fc.constant(0) }),
);

Deno.test("SegmentedLru never holds more than it may, and never another value than the last", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
    const lru = new SegmentedLru<number>(1_000);
    const model = new Map<string, { value: number; size: number }>();
    for (const [i, { op, key, size }] of steps.entries()) {
      if (op === "set") {
        lru.set(`${key}`, i, size);
        model.set(`${key}`, { value: i, size });
      } else if (op === "delete") {
        lru.delete(`${key}`);
        model.delete(`${key}`);
      } else lru.use(`${key}`);
      const entries = [...lru.entries()];
      assert.equal(entries.length, lru.count);
      for (const [each, value] of entries) assert.equal(value, model.get(each)?.value);
      assert.equal(lru.bytes, entries.reduce((sum, [each]) => sum + model.get(each)!.size, 0));
      assert.ok(lru.bytes <= 1_000);
    }
  }));
});
