import assert from "node:assert/strict";
import { isOpenToOthers } from "./open_resolver.ts";

Deno.test.each([
  ...["127.0.0.1", "127.0.0.53", "169.254.20.10", "::1", "fe80::1", "febf::1", "::ffff:127.0.0.1"]
    .map((address) => ({ address, want: false })),
  ...["0.0.0.0", "::", "10.0.0.7", "192.168.1.1", "169.253.0.1", "203.0.113.1", "fec0::1", "::2"]
    .map((address) => ({ address, want: true })),
])("isOpenToOthers() says $want of $address", ({ address, want }) => {
  assert.equal(isOpenToOthers(address), want);
});
