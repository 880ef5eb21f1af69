import assert from "node:assert/strict";
import { readStatus } from "./codec/protobuf/status.ts";
import { negotiateStatus } from "./negotiated_status.ts";
import { expiredStatus, statusResponse } from "./status.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";

Deno.test.each([
  PROTOBUF,
  `${PROTOBUF},application/json`,
  `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json`,
  `${PROTOBUF};stream=watch`,
  `application/cbor,${PROTOBUF}`,
])("negotiateStatus() writes protobuf when the client accepts %s", async (accept) => {
  const response = negotiateStatus(statusResponse(expiredStatus("too old")), accept);
  assert.deepEqual([response.status, response.headers.get("content-type")], [410, PROTOBUF]);
  assert.equal(response.headers.get("cache-control"), "no-cache, private");
  assert.deepEqual(readStatus(await response.bytes()), { code: 410, message: "too old" });
});

Deno.test.each([
  null,
  "*/*",
  "application/json",
  `application/json,${PROTOBUF}`,
  "application/yaml",
])(
  "negotiateStatus() leaves JSON as it is when the client accepts '%s'",
  (accept) => {
    const response = statusResponse(expiredStatus("too old"));
    assert.equal(negotiateStatus(response, accept), response);
  },
);

Deno.test("negotiateStatus() leaves alone what the cloud said", () => {
  const response = new Response('{"kind":"Status"}', { status: 404 });
  assert.equal(negotiateStatus(response, PROTOBUF), response);
});
