import assert from "node:assert/strict";
import { isFresh } from "./cluster_view.ts";

Deno.test.each([
  { name: "what was heard since the link is up", heardAtMs: 2_000, upSinceMs: 1_000, want: true },
  { name: "what was heard as it came up", heardAtMs: 1_000, upSinceMs: 1_000, want: true },
  { name: "what was heard before", heardAtMs: 999, upSinceMs: 1_000, want: false },
  { name: "what is said while it is down", heardAtMs: 2_000, upSinceMs: undefined, want: false },
  { name: "what can't be followed", heardAtMs: undefined, upSinceMs: 1_000, want: false },
])("isFresh() takes $name for fresh: $want", ({ heardAtMs, upSinceMs, want }) => {
  assert.equal(isFresh({ heardAtMs }, upSinceMs, 3_000), want);
});

Deno.test("isFresh() takes the silence of a watch for its end", () => {
  assert.equal(isFresh({ heardAtMs: 2_000 }, 1_000, 181_000), true);
  assert.equal(isFresh({ heardAtMs: 2_000 }, 1_000, 182_000), false);
});
