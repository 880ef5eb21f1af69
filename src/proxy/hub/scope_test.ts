import assert from "node:assert/strict";
import fc from "fast-check";
import { label } from "../../../tests/testing/arbitraries.ts";
import { JSON_ENCODING } from "../../kube/codec/json_encoding.ts";
import { PROTOBUF_ENCODING } from "../../kube/codec/protobuf/encoding.ts";
import type { ResourceRequest } from "../../kube/request_info.ts";
import { acceptedRepresentations } from "./representation.ts";
import { formatScope, parseScope, type Scope, scopeOf, scopeTarget } from "./scope.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

const request = (fields: Partial<ResourceRequest> = {}): ResourceRequest => ({
  kind: "resource",
  verb: "list",
  group: "",
  version: "v1",
  resource: "pods",
  namespace: "",
  name: "",
  subresource: "",
  ...fields,
});

function scope(search = "", options: { accept?: string } & Partial<ResourceRequest> = {}): Scope {
  const { accept = "application/json", ...fields } = options;
  const representation = acceptedRepresentations(accept)[0]!;
  return scopeOf("identity:kubelet", request(fields), new URLSearchParams(search), representation);
}

const anyScope: fc.Arbitrary<Scope> = fc.record({
  caller: fc.string(),
  group: fc.oneof(fc.constant(""), label),
  version: label,
  resource: label,
  namespace: fc.oneof(fc.constant(""), label),
  labelSelector: fc.string(),
  fieldSelector: fc.string(),
  representation: fc.constantFrom("object" as const, "metadata" as const, "table" as const),
  encoding: fc.constantFrom("json" as const, "protobuf" as const),
  variant: fc.string(),
}, { noNullPrototype: true });

Deno.test("parseScope() gives back what formatScope() wrote", () => {
  fc.assert(fc.property(anyScope, (scope) => {
    assert.deepEqual(parseScope(formatScope(scope)), scope);
  }));
});

Deno.test("formatScope() gives two scopes one key only when they are the same", () => {
  // Texts that move between neighbouring fields: joined by a separator they would look alike.
  const tricky = fc.constantFrom("", "a", ",", '"', '","', "a,b", "/", "|", "\\");
  const scope = fc.record({
    caller: tricky,
    group: fc.constantFrom("", "v1", "apps"),
    version: fc.constantFrom("v1", "apps"),
    resource: fc.constantFrom("pods", "v1"),
    namespace: tricky,
    labelSelector: tricky,
    fieldSelector: tricky,
    representation: fc.constantFrom("object" as const, "metadata" as const, "table" as const),
    encoding: fc.constantFrom("json" as const, "protobuf" as const),
    variant: tricky,
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(scope, scope, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      assert.equal(formatScope(a) === formatScope(b), same);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test.each([
  { name: "the caller", other: { ...scope(), caller: "identity:other" } },
  { name: "the group", other: scope("", { group: "metrics.k8s.io" }) },
  { name: "the version", other: scope("", { version: "v2" }) },
  { name: "the namespace", other: scope("", { namespace: "a" }) },
  { name: "the label selector", other: scope("labelSelector=a%3Db") },
  { name: "the field selector", other: scope("fieldSelector=spec.nodeName%3Da") },
  { name: "metadata instead of objects", other: scope("", { accept: METADATA }) },
  { name: "a Table instead of objects", other: scope("", { accept: TABLE }) },
  { name: "protobuf instead of JSON", other: scope("", { accept: PROTOBUF }) },
])("formatScope() tells scopes apart by $name", ({ other }) => {
  assert.notEqual(formatScope(other), formatScope(scope()));
});

Deno.test("formatScope() tells Tables apart by what their rows hold", () => {
  const rows = ["", "includeObject=Object", "includeObject=None"]
    .map((search) => formatScope(scope(search, { accept: TABLE })));
  assert.equal(new Set(rows).size, 3);
});

Deno.test("scopeOf() takes field selectors that differ in order alone for one", () => {
  const [a, b] = ["metadata.name=x,metadata.namespace=y", "metadata.namespace=y,metadata.name=x"];
  assert.equal(
    formatScope(scope(`fieldSelector=${encodeURIComponent(a!)}`)),
    formatScope(scope(`fieldSelector=${encodeURIComponent(b!)}`)),
  );
});

Deno.test("scopeOf() leaves a field selector with escapes as it is", () => {
  const selector = "b=x\\,y,a=z";
  assert.equal(scope(`fieldSelector=${encodeURIComponent(selector)}`).fieldSelector, selector);
});

Deno.test("scopeOf() takes no notice of paging, versions and limits", () => {
  const noise = "limit=500&continue=t&resourceVersion=5&watch=true&timeoutSeconds=9&pretty=true";
  assert.equal(formatScope(scope(noise)), formatScope(scope()));
});

Deno.test.each([
  ...["", "[]", "{}", '["a"]', '["a","v1/pods","","","","object",1]', "null"],
  '["a","v1/pods","","","","object","","cbor"]',
  '["a","v1/pods","","","","object","","toString"]',
  '["a","v1/pods","","","","object","","protobuf",""]',
])(
  "parseScope() throws a SyntaxError when the text is '%s'",
  (text) => assert.throws(() => parseScope(text), SyntaxError),
);

Deno.test("scopeTarget() asks as the client did, with its selectors verbatim", () => {
  const search = "labelSelector=a+in+(b,c)&fieldSelector=spec.nodeName%3Dn1";
  const fields = { group: "apps", resource: "deployments", namespace: "ns" };
  assert.deepEqual(scopeTarget(scope(search, fields)), {
    path: "/apis/apps/v1/namespaces/ns/deployments",
    query: { labelSelector: "a in (b,c)", fieldSelector: "spec.nodeName=n1" },
    listAccept: "application/json",
    watchAccept: "application/json",
    encoding: JSON_ENCODING,
  });
});

Deno.test("scopeTarget() asks for protobuf alone: what comes must be of the scope's encoding", () => {
  const target = scopeTarget(scope("", { accept: `${PROTOBUF},application/json` }));
  assert.deepEqual(
    [target.listAccept, target.watchAccept, target.encoding],
    [PROTOBUF, PROTOBUF, PROTOBUF_ENCODING],
  );
  const metadata = scopeTarget(
    scope("", { accept: METADATA.replace("application/json", PROTOBUF) }),
  );
  assert.deepEqual([metadata.listAccept, metadata.watchAccept], [
    `${PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`,
    `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`,
  ]);
});

Deno.test("parseScope() takes keys of the time when there was only JSON", () => {
  const old = '["identity:a","v1/pods","ns","","","object",""]';
  assert.equal(parseScope(old).encoding, "json");
  assert.equal(formatScope(parseScope(old)), old);
});

Deno.test("scopeTarget() asks for lists and for single objects of metadata by their own names", () => {
  const { listAccept, watchAccept } = scopeTarget(scope("", { accept: METADATA }));
  assert.deepEqual([listAccept, watchAccept], [
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
  ]);
});
