import assert from "node:assert/strict";
import { STATE_WRITER } from "../proxy/store/state_writer.ts";
import { isWorker } from "./worker.ts";

Deno.test("isWorker() knows the Workers of the program and nothing else", () => {
  assert.equal(isWorker(STATE_WRITER), true);
  for (const name of ["", undefined, "main", "edge-agent"]) assert.equal(isWorker(name), false);
});
