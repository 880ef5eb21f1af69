import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { encodeObject } from "../../../tests/testing/protobuf.ts";
import { UnreachableError } from "./upstream.ts";
import { toWholeAnswer } from "./whole_answer.ts";

const read = (body: Uint8Array, type: string) => {
  const response = new Response(body.slice(), { headers: { "content-type": type } });
  return toWholeAnswer(response, new AbortController().signal, 1_000);
};

const JSON_BODY = utf8('{"kind":"Status","metadata":{}}\n');
const PROTOBUF_BODY = encodeObject("v1", "Status", { 2: "Success", 3: "a message" });

Deno.test.each([
  // A newline may be missing, and what is behind the object in its envelope.
  { name: "JSON", type: "application/json; charset=utf-8", body: JSON_BODY, rest: 1 },
  { name: "protobuf", type: "application/vnd.kubernetes.protobuf", body: PROTOBUF_BODY, rest: 4 },
])("toWholeAnswer() takes whole $name, and no part of it for the whole", async (
  { type, body, rest },
) => {
  assert.deepEqual((await read(body, type)).body, body);
  for (let length = 0; length < body.length - rest; length++) {
    await assert.rejects(
      read(body.subarray(0, length), type),
      (error) => error instanceof UnreachableError && error.sent,
      `${length} of ${body.length} bytes`,
    );
  }
});

Deno.test("toWholeAnswer() takes other words as they come", async () => {
  assert.equal(text((await read(utf8("no, tha"), "text/plain")).body), "no, tha");
});
