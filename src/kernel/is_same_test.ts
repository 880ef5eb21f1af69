import assert from "node:assert/strict";
import fc from "fast-check";
import { isSame } from "./is_same.ts";

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, 0, 1, "", "a"),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b", "constructor", "toString"), tie("value"), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
  ),
})).value;

/** JSON with the keys of all objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, each) =>
      typeof each === "object" && each !== null && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => a < b ? -1 : 1))
        : each,
  );
}

Deno.test("isSame() says what the JSON of both says, whatever the order of keys", () => {
  fc.assert(
    fc.property(json, json, (a, b) => {
      assert.equal(isSame(a, b), canonical(a) === canonical(b));
      assert.equal(isSame(a, JSON.parse(JSON.stringify(a))), true);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("isSame() takes what is undefined for what is not there", () => {
  assert.equal(isSame({ a: 1, b: undefined }, { a: 1 }), true);
  assert.equal(isSame({ a: 1 }, { a: 1, b: undefined }), true);
  assert.equal(isSame({ a: undefined }, { a: 1 }), false);
  assert.equal(isSame({}, { constructor: "a" }), false);
});
