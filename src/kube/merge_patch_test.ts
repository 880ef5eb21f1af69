import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonKey } from "../../tests/testing/arbitraries.ts";
import { applyMergePatch, composeMergePatches } from "./merge_patch.ts";

// The table of RFC 7396, appendix A.
Deno.test.each([
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])("applyMergePatch() of %j and %j is %j", (target, patch, want) => {
  assert.deepEqual(applyMergePatch(target, patch), want);
});

Deno.test("applyMergePatch() leaves out directives of strategic merge patches", () => {
  const patch = { "$setElementOrder/finalizers": ["a"], count: 2 };
  assert.deepEqual(applyMergePatch({ count: 1 }, patch), { count: 2 });
});

const key = fc.constantFrom("a", "b", "c");
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 9, arbitrary: fc.constantFrom<unknown>(null, 1, "x", true) },
    { weight: 1, arbitrary: fc.constant([]) },
    {
      weight: 6,
      arbitrary: fc.dictionary(key, tie("value"), { maxKeys: 2, noNullPrototype: true }),
    },
  ),
})).value;
const object = fc.dictionary(key, value, { maxKeys: 2, noNullPrototype: true });

Deno.test("composeMergePatches() does what one patch after the other does, or declines", () => {
  let composed = 0;
  fc.assert(
    fc.property(object, object, object, (target, first, second) => {
      const both = composeMergePatches(first, second);
      if (both === undefined) return;
      composed++;
      const want = applyMergePatch(applyMergePatch(target, first), second);
      assert.deepEqual(applyMergePatch(target, both), want);
    }),
    { numRuns: 1_000 },
  );
  assert.ok(composed > 200, `${composed} of all patches could be composed`);
});

Deno.test("composeMergePatches() composes what event recorders send", () => {
  const first = { count: 2, lastTimestamp: "t1", message: "m" };
  assert.deepEqual(composeMergePatches(first, { count: 3, lastTimestamp: "t2" }), {
    count: 3,
    lastTimestamp: "t2",
    message: "m",
  });
  assert.deepEqual(composeMergePatches({ series: { count: 2 } }, { series: { count: 3 } }), {
    series: { count: 3 },
  });
});

Deno.test.each([
  { name: "lists", first: { finalizers: ["a"] }, second: { count: 1 } },
  { name: "directives", first: { count: 1 }, second: { $patch: "replace" } },
  { name: "what is no object", first: [], second: {} },
  {
    name: "an object after its removal",
    first: { series: null },
    second: { series: { count: 1 } },
  },
])("composeMergePatches() declines $name", ({ first, second }) => {
  assert.equal(composeMergePatches(first, second), undefined);
});

Deno.test("applyMergePatch() takes any key for a key", () => {
  fc.assert(fc.property(jsonKey.filter((key) => !key.startsWith("$")), (key) => {
    assert.deepEqual(applyMergePatch({}, { [key]: 1 }), { [key]: 1 });
  }));
});
