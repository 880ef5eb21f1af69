import assert from "node:assert/strict";
import denoJson from "../../deno.json" with { type: "json" };
import { AGENT_VERSION } from "./version.ts";

Deno.test("AGENT_VERSION is that of deno.json", () => {
  assert.equal(AGENT_VERSION, denoJson.version);
});
