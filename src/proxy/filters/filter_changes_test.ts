import assert from "node:assert/strict";
import type { Answer } from "../../kube/answer.ts";
import type { KeptAnswer } from "../store/overlay.ts";
import { FilterChanges } from "./filter_changes.ts";

const SLICES = { caller: "identity:a", group: "discovery.k8s.io", resource: "endpointslices" };

/** What outlives a restart. */
function disk() {
  const answers = new Map<string, KeptAnswer>();
  const kept = {
    get: (key: string) => answers.get(key),
    keep: (key: string, answer: Answer) =>
      void answers.set(key, { ...answer, resourceVersion: "", atMs: 0 }),
  };
  return {
    answers,
    start: (fingerprint: string) => new FilterChanges(kept, [{ ...SLICES, fingerprint }]),
  };
}

Deno.test("FilterChanges asks for a list once after each change of the config", () => {
  const { start } = disk();
  for (const fingerprint of ["x", "y", "", "x"]) {
    const changes = start(fingerprint);
    assert.equal(changes.mustList(SLICES), true, fingerprint);
    assert.equal(start(fingerprint).mustList(SLICES), true, "a restart alone is no list");
    changes.listed(SLICES);
    assert.equal(changes.mustList(SLICES), false);
    assert.equal(start(fingerprint).mustList(SLICES), false);
  }
});

Deno.test("FilterChanges keeps nothing of what was never changed", () => {
  const { start, answers } = disk();
  const changes = start("");
  assert.equal(changes.mustList(SLICES), false);
  changes.listed(SLICES);
  assert.equal(answers.size, 0);
});

Deno.test.each([
  { ...SLICES, caller: "identity:b" },
  { ...SLICES, resource: "services" },
  { ...SLICES, group: "" },
])("FilterChanges asks for no list of what is another's (%o)", (other) => {
  const changes = disk().start("x");
  assert.equal(changes.mustList(other), false);
  changes.listed(other);
  assert.equal(changes.mustList(SLICES), true);
});
