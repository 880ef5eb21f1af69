import assert from "node:assert/strict";
import { expectSame, expectSameObjects, formatEvent, median } from "./comparison.ts";

const object = (name: string, resourceVersion: string) => ({
  metadata: { namespace: "shop", name, resourceVersion },
});

Deno.test("expectSameObjects() takes equal lists in any order", () => {
  expectSameObjects(
    [object("b", "2"), object("a", "1")],
    [object("a", "1"), object("b", "2")],
    "x",
  );
});

Deno.test.each([
  { name: "a missing object", got: [], why: "pods: missing shop/a@1" },
  {
    name: "another version",
    got: [object("a", "2")],
    why: "pods: missing shop/a@1, unexpected shop/a@2",
  },
  {
    name: "an object too many",
    got: [object("a", "1"), object("b", "1")],
    why: "pods: unexpected shop/b@1",
  },
  {
    name: "an object twice",
    got: [object("a", "1"), object("a", "1")],
    why: "pods: 2 instead of 1",
  },
])("expectSameObjects() names $name", ({ got, why }) => {
  assert.throws(() => expectSameObjects(got, [object("a", "1")], "pods"), { message: why });
});

Deno.test("expectSame() names no more than three", () => {
  assert.throws(() => expectSame(["a", "b", "c", "d", "e"], [], "x"), {
    message: "x: unexpected a, b, c and 2 more",
  });
});

Deno.test("formatEvent() shows type, name and resourceVersion", () => {
  const event = { type: "ADDED", name: "web-1", resourceVersion: "7" };
  assert.equal(formatEvent(event), "ADDED web-1@7");
});

Deno.test.each([
  { values: [3], want: 3 },
  { values: [9, 1, 5], want: 5 },
  { values: [4, 1, 3, 2], want: 3 },
])("median() of $values is $want", ({ values, want }) => {
  assert.equal(median(values), want);
});
