import assert from "node:assert/strict";
import { expiredStatus, statusResponse, tooLargeResourceVersion } from "./status.ts";

Deno.test("statusResponse() is a metav1.Status that client-go does not sleep on", async () => {
  const response = statusResponse(expiredStatus("too old"));
  assert.equal(response.status, 410);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("retry-after"), null);
  assert.deepEqual(await response.json(), {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "too old",
    reason: "Expired",
    code: 410,
  });
});

Deno.test("tooLargeResourceVersion() carries the cause by which client-go knows it", async () => {
  const { code, reason, details } = await statusResponse(tooLargeResourceVersion("9", "5")).json();
  assert.deepEqual([code, reason, details.causes[0].reason], [
    504,
    "Timeout",
    "ResourceVersionTooLarge",
  ]);
});
