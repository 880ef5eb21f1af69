import assert from "node:assert/strict";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { nodeNameOf, readBootId } from "./node_identity.ts";

Deno.test.each([
  { name: "that of the config as it is", config: { nodeName: "Edge-1" }, want: "Edge-1" },
  // kubelet, pkg/util/node GetHostname()
  { name: "the host's as the kubelet makes it", config: {}, want: "plc-7.plant" },
])("nodeNameOf() takes $name", ({ config, want }) => {
  assert.equal(nodeNameOf(config, () => "PLC-7.Plant"), want);
});

Deno.test("readBootId() does without where there is no program for it", async () => {
  assert.equal(await readBootId(new FakeKernel()), "");
});
