import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareResourceVersions,
  isResourceVersion,
  newerResourceVersion,
} from "./resource_version.ts";

const version = fc.bigInt({ min: 1n, max: 10n ** 30n });

Deno.test("compareResourceVersions() orders numbers of any length as numbers", () => {
  fc.assert(fc.property(version, version, (a, b) => {
    const order = Math.sign(compareResourceVersions(String(a), String(b)));
    assert.equal(order, a < b ? -1 : a > b ? 1 : 0);
    assert.equal(newerResourceVersion(String(a), String(b)), String(a > b ? a : b));
  }));
});

Deno.test("compareResourceVersions() takes no version for older than any", () => {
  assert.ok(compareResourceVersions("", "1") < 0);
  assert.equal(newerResourceVersion("", "1"), "1");
});

Deno.test.each([
  { text: "1", want: true },
  { text: "12345678901234567890", want: true },
  { text: "0", want: false },
  { text: "", want: false },
  { text: "01", want: false },
  { text: "-1", want: false },
  { text: "1.5", want: false },
  { text: "1\n", want: false },
  { text: "abc", want: false },
])("isResourceVersion() of '$text' is $want", ({ text, want }) => {
  assert.equal(isResourceVersion(text), want);
});
