import assert from "node:assert/strict";
import { packBatch } from "./packed_batch.ts";
import type { Operation } from "./schema.ts";

const encoder = new TextEncoder();

function put(key: string, body: Uint8Array): Operation {
  return { op: "put", scope: 1, key, uid: "u", rv: "7", body, sealed: false };
}

Deno.test("packBatch() keeps every operation, and the bodies as views of one buffer that can be transferred", () => {
  const chunk = encoder.encode("..one..two..");
  const [one, two] = [chunk.subarray(2, 5), chunk.subarray(7, 10)];
  const kept: Operation = {
    ...{ op: "keep", key: "k", status: 200, headers: "{}", rv: "", at: 1 },
    body: new Uint8Array(0),
  };
  const batch = [put("a", one), { op: "remove", scope: 1, key: "b" }, kept, put("c", two)] as const;
  const { operations, bodies } = packBatch(batch);
  assert.equal(bodies.byteLength, 6);
  const sent = structuredClone(operations, { transfer: [bodies] });
  assert.deepEqual(sent, [
    put("a", encoder.encode("one")),
    { op: "remove", scope: 1, key: "b" },
    kept,
    put("c", encoder.encode("two")),
  ]);
  assert.ok(bodies.detached);
  assert.equal(new TextDecoder().decode(one), "one");
});

Deno.test("packBatch() makes do without bodies", () => {
  const { operations, bodies } = packBatch([{ op: "forget", key: "k" }]);
  assert.deepEqual(operations, [{ op: "forget", key: "k" }]);
  assert.equal(bodies.byteLength, 0);
});
