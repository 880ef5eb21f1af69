import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { expiredStatus } from "../status.ts";
import { formatErrorFrame, formatItemFrame, toStoredObject } from "./encoding.ts";
import { JSON_ENCODING } from "./json_encoding.ts";

const POD = { kind: "Pod", apiVersion: "v1" };

Deno.test("formatItemFrame() gives the object of a list its kind", () => {
  const frame = formatItemFrame(JSON_ENCODING, "ADDED", utf8('{"metadata":{"name":"a"}}'), POD);
  assert.equal(
    text(frame),
    '{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}}\n',
  );
});

Deno.test("formatErrorFrame() writes the Status by which client-go knows that it must list anew", () => {
  const { type, object } = JSON.parse(
    text(formatErrorFrame(JSON_ENCODING, expiredStatus("too old"))),
  );
  assert.equal(type, "ERROR");
  assert.deepEqual(
    { kind: object.kind, status: object.status, code: object.code, reason: object.reason },
    { kind: "Status", status: "Failure", code: 410, reason: "Expired" },
  );
});

Deno.test("toStoredObject() throws a SyntaxError when an object has no name", () => {
  assert.throws(() => toStoredObject(JSON_ENCODING, utf8('{"metadata":{"uid":"u"}}')), SyntaxError);
});

Deno.test("toStoredObject() keeps the body as it is", () => {
  const body = utf8('{"metadata":{"namespace":"a","name":"b","uid":"u","resourceVersion":"4"}}');
  assert.deepEqual(toStoredObject(JSON_ENCODING, body), {
    key: "a/b",
    uid: "u",
    resourceVersion: "4",
    body,
  });
});
