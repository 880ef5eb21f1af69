import assert from "node:assert/strict";
import { formatJson, parseJson } from "./codec/json.ts";
import { toPartialMetadata } from "./partial_metadata.ts";

Deno.test("toPartialMetadata() keeps the metadata and nothing else", () => {
  const metadata = { name: "a", labels: { "a/b": "}" }, resourceVersion: "7" };
  const body = formatJson({ spec: { metadata: { name: "not me" } }, metadata, kind: "Pod" });
  assert.deepEqual(parseJson(toPartialMetadata(body)), {
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata,
  });
});

Deno.test("toPartialMetadata() throws a SyntaxError when there is no metadata", () => {
  assert.throws(() => toPartialMetadata(formatJson({ spec: {} })), SyntaxError);
});
