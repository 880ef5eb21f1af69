import assert from "node:assert/strict";
import fc from "fast-check";
import { negotiate, parseAccept, satisfies, withoutCbor } from "./accept.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

Deno.test("parseAccept() orders ranges by weight, equals as written, and drops those of weight 0", () => {
  const ranges = parseAccept("a/a;q=0.1, b/b, c/c;q=0, d/d;x=1;q=0.5, e/e;q=1.0");
  assert.deepEqual(ranges.map(({ text }) => text), ["b/b", "e/e", "d/d;x=1", "a/a"]);
});

Deno.test("parseAccept() reads types and parameter names in any case", () => {
  assert.deepEqual(parseAccept("Application/JSON; As=Table"), [
    { type: "application/json", params: { as: "Table" }, text: "Application/JSON;as=Table" },
  ]);
});

Deno.test.each([
  { header: null, want: ["*/*"] },
  { header: "", want: [] },
  { header: " , ", want: [] },
])("parseAccept() of $header is $want", ({ header, want }) => {
  assert.deepEqual(parseAccept(header).map(({ type }) => type), want);
});

Deno.test("parseAccept() takes any text", () => {
  fc.assert(fc.property(fc.string(), (header) => {
    for (const { type } of parseAccept(header)) assert.equal(type, type.toLowerCase());
  }));
});

Deno.test.each([
  { type: "application/json", range: "application/json", want: true },
  { type: "application/json; charset=utf-8", range: "application/json", want: true },
  { type: "application/json", range: "application/json;charset=utf-8", want: true },
  { type: "application/json", range: "*/*", want: true },
  { type: "application/json", range: "application/*", want: true },
  { type: "applicationx/json", range: "application/*", want: false },
  { type: "text/plain", range: "application/json", want: false },
  { type: "application/json", range: TABLE, want: false },
  { type: TABLE, range: TABLE, want: true },
  { type: TABLE, range: "application/json", want: true },
  {
    type: "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    range: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    want: false,
  },
  { type: "", range: "*/*", want: false },
])("satisfies() says $want when $type is offered for $range", ({ type, range, want }) => {
  assert.equal(satisfies(type, parseAccept(range)[0]!), want);
});

Deno.test.each([
  { accept: null, offers: ["text/plain", "application/json"], want: 0 },
  { accept: "application/json", offers: ["text/plain", "application/json"], want: 1 },
  { accept: `${TABLE},application/json`, offers: ["application/json", TABLE], want: 1 },
  { accept: `${TABLE},application/json`, offers: ["application/json"], want: 0 },
  { accept: "a/a;q=0.5,b/b", offers: ["a/a", "b/b"], want: 1 },
  { accept: "application/vnd.kubernetes.protobuf", offers: ["application/json"], want: -1 },
  { accept: "*/*", offers: [], want: -1 },
])("negotiate() of $accept over $offers is $want", ({ accept, offers, want }) => {
  assert.equal(negotiate(accept, offers), want);
});

Deno.test.each([
  { accept: "application/cbor", want: "application/cbor" },
  {
    accept: "application/cbor-seq,application/cbor",
    want: "application/cbor-seq,application/cbor",
  },
  { accept: "application/cbor,application/json", want: "application/json" },
  { accept: "a/b;q=0.5, Application/CBOR;q=1, c/d", want: "a/b;q=0.5, c/d" },
  { accept: "application/cborish", want: "application/cborish" },
  { accept: TABLE, want: TABLE },
  { accept: "", want: "" },
])("withoutCbor() of '$accept' is '$want'", ({ accept, want }) => {
  assert.equal(withoutCbor(accept), want);
});
