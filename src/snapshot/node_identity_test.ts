import assert from "node:assert/strict";
import { nodeNameOf } from "./node_identity.ts";

Deno.test.each([
  { name: "that of the config as it is", config: { nodeName: "Edge-1" }, want: "Edge-1" },
  // kubelet, pkg/util/node GetHostname()
  { name: "the host's as the kubelet makes it", config: {}, want: "plc-7.plant" },
])("nodeNameOf() takes $name", ({ config, want }) => {
  assert.equal(nodeNameOf(config, () => "PLC-7.Plant"), want);
});
