import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../tests/testing/arbitraries.ts";
import { encodeObject } from "../../tests/testing/protobuf.ts";
import { describeTokenRequest } from "./token_request.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";

interface Spec {
  audiences?: string[];
  expirationSeconds?: number;
  boundObjectRef?: { kind: string; apiVersion: string; name: string; uid: string };
}

const json = (spec: Spec, metadata: Record<string, unknown> = {}) =>
  describeTokenRequest(
    utf8(JSON.stringify({ kind: "TokenRequest", metadata, spec })),
    "application/json; charset=utf-8",
  );

const protobuf = (
  { audiences = [], expirationSeconds = 0, boundObjectRef }: Spec,
  uid = "",
) =>
  describeTokenRequest(
    encodeObject("authentication.k8s.io/v1", "TokenRequest", {
      1: { 1: "", 5: uid, 8: new Uint8Array(0) },
      2: {
        1: audiences,
        3: boundObjectRef === undefined ? [] : {
          1: boundObjectRef.kind,
          2: boundObjectRef.apiVersion,
          3: boundObjectRef.name,
          4: boundObjectRef.uid,
        },
        4: expirationSeconds,
      },
      3: { 1: "", 2: new Uint8Array(0) },
    }),
    PROTOBUF,
  );

const POD = { kind: "Pod", apiVersion: "v1", name: "web", uid: "u1" };
const SPEC: Spec = { audiences: ["a", "b"], expirationSeconds: 3607, boundObjectRef: POD };

Deno.test("describeTokenRequest() says the same of JSON and protobuf", () => {
  const name = fc.string({ maxLength: 5 });
  const spec = fc.record({
    audiences: fc.array(name, { maxLength: 3 }),
    expirationSeconds: fc.nat(),
    boundObjectRef: fc.option(
      fc.record({ kind: name, apiVersion: name, name, uid: name }),
      { nil: undefined },
    ),
  }, { requiredKeys: [] });
  fc.assert(fc.property(spec, name, (spec, uid) => {
    assert.equal(protobuf(spec, uid), json(spec, { uid }));
  }));
});

Deno.test("describeTokenRequest() says the same whatever the order of the audiences", () => {
  assert.equal(json({ ...SPEC, audiences: ["b", "a"] }), json(SPEC));
});

Deno.test.each<{ name: string; spec: Spec }>([
  { name: "another audience", spec: { ...SPEC, audiences: ["a"] } },
  { name: "none", spec: { ...SPEC, audiences: undefined } },
  { name: "another lifetime", spec: { ...SPEC, expirationSeconds: 600 } },
  { name: "another pod", spec: { ...SPEC, boundObjectRef: { ...POD, name: "db" } } },
  { name: "the next pod of that name", spec: { ...SPEC, boundObjectRef: { ...POD, uid: "u2" } } },
  { name: "another kind", spec: { ...SPEC, boundObjectRef: { ...POD, kind: "Secret" } } },
  { name: "no object", spec: { ...SPEC, boundObjectRef: undefined } },
])("describeTokenRequest() tells $name apart", ({ spec }) => {
  assert.notEqual(json(spec), json(SPEC));
});

Deno.test("describeTokenRequest() tells one account's UID from another's", () => {
  assert.notEqual(json(SPEC, { uid: "a" }), json(SPEC, { uid: "b" }));
});

Deno.test.each<{ name: string; body: string; type: string | null }>([
  { name: "no JSON", body: "{", type: "application/json" },
  { name: "a list", body: "[]", type: "application/json" },
  { name: "null", body: "null", type: null },
  { name: "no protobuf", body: "{}", type: PROTOBUF },
  { name: "YAML", body: "spec: {}", type: "application/yaml" },
])("describeTokenRequest() throws a SyntaxError on $name", ({ body, type }) => {
  assert.throws(() => describeTokenRequest(utf8(body), type), SyntaxError);
});
