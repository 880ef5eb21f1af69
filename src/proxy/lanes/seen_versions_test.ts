import assert from "node:assert/strict";
import { SeenVersions } from "./seen_versions.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const NODES = { ...PODS, resource: "nodes" };

Deno.test("highest() is the highest version that this caller saw of this resource", () => {
  const seen = new SeenVersions();
  for (const version of ["9", "100", "20"]) seen.see("identity:a", PODS, version);
  assert.equal(seen.highest("identity:a", PODS), "100");
  assert.equal(seen.highest("identity:b", PODS), "");
  assert.equal(seen.highest("identity:a", NODES), "");
});

Deno.test.each(["", "0", "abc"])("see() takes no notice of '%s'", (version) => {
  const seen = new SeenVersions();
  seen.see("identity:a", PODS, "5");
  seen.see("identity:a", PODS, version);
  assert.equal(seen.highest("identity:a", PODS), "5");
});
