import assert from "node:assert/strict";
import { text } from "../../tests/testing/arbitraries.ts";
import { RefusedError, toAnswer, toResponse } from "./answer.ts";

const never = new AbortController().signal;

Deno.test("toAnswer() and toResponse() give the response back", async () => {
  const response = new Response("nope", { status: 403, headers: { "x-a": "b" } });
  const answer = await toAnswer(response, never);
  assert.equal(text(answer.body), "nope");
  const again = toResponse(answer);
  assert.deepEqual([again.status, again.headers.get("x-a"), await again.text()], [
    403,
    "b",
    "nope",
  ]);
});

Deno.test.each([204, 304])("toResponse() makes no body when the status is %d", (status) => {
  const response = toResponse({ status, headers: {}, body: new Uint8Array(0) });
  assert.deepEqual([response.status, response.body], [status, null]);
});

Deno.test.each([
  { header: "3", want: 3_000 },
  { header: undefined, want: 0 },
  { header: "soon", want: 0 },
])("retryAfterMs is $want when Retry-After is $header", ({ header, want }) => {
  const headers: Record<string, string> = header === undefined ? {} : { "retry-after": header };
  const error = new RefusedError("list /x", { status: 429, headers, body: new Uint8Array(0) });
  assert.equal(error.retryAfterMs, want);
  assert.match(error.message, /list \/x.*429/);
});
