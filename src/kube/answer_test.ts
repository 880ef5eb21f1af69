import assert from "node:assert/strict";
import { text } from "../../tests/testing/arbitraries.ts";
import { JSON_ENCODING } from "./codec/json_encoding.ts";
import { PROTOBUF_ENCODING } from "./codec/protobuf/encoding.ts";
import { expectEncoding, RefusedError, toAnswer, toResponse } from "./answer.ts";

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
  { header: "-5", want: 0 },
  { header: "86400", want: 300_000 },
])("retryAfterMs is $want when Retry-After is $header", ({ header, want }) => {
  const headers: Record<string, string> = header === undefined ? {} : { "retry-after": header };
  const error = new RefusedError("list /x", { status: 429, headers, body: new Uint8Array(0) });
  assert.equal(error.retryAfterMs, want);
  assert.match(error.message, /list \/x.*429/);
});

Deno.test.each(["application/json", "application/json; charset=utf-8", "text/plain", undefined])(
  "expectEncoding() takes an answer in JSON whose type is %s",
  async (type) => {
    const response = new Response("{}", {
      headers: type === undefined ? {} : { "content-type": type },
    });
    assert.equal(await expectEncoding(response, JSON_ENCODING, "list /x"), response);
  },
);

Deno.test("expectEncoding() takes an answer in another encoding for a 406, and ends its body", async () => {
  let cancelled = false;
  const body = new ReadableStream({ cancel: () => void (cancelled = true) });
  const response = new Response(body, { headers: { "content-type": "application/json" } });
  await assert.rejects(expectEncoding(response, PROTOBUF_ENCODING, "list /x"), (error) => {
    assert.ok(error instanceof RefusedError);
    assert.equal(error.answer.status, 406);
    assert.match(error.message, /list \/x as application\/vnd.kubernetes.protobuf/);
    return true;
  });
  assert.ok(cancelled);
});
