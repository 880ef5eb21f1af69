import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, label } from "../../tests/testing/arbitraries.ts";
import {
  collectionPath,
  formatGvr,
  isTrue,
  parseRequestInfo,
  type RequestInfo,
  type ResourceRequest,
} from "./request_info.ts";

function parse(line: string): RequestInfo {
  const [method = "", target = ""] = line.split(" ");
  const [path = "", search] = target.split("?");
  return parseRequestInfo(method, path, new URLSearchParams(search));
}

const core = (want: Partial<ResourceRequest>): ResourceRequest => ({
  kind: "resource",
  verb: "get",
  group: "",
  version: "v1",
  resource: "pods",
  namespace: "",
  name: "",
  subresource: "",
  ...want,
});

/** The cases of kube-apiserver's own table, as far as the agent tells them apart. */
Deno.test.each<{ line: string; want: Partial<ResourceRequest> }>([
  // Namespaces are objects, and hold objects.
  { line: "GET /api/v1/namespaces", want: { verb: "list", resource: "namespaces" } },
  {
    line: "GET /api/v1/namespaces/other",
    want: { verb: "get", resource: "namespaces", namespace: "other", name: "other" },
  },
  {
    line: "PUT /api/v1/namespaces/other/finalize",
    want: {
      verb: "update",
      resource: "namespaces",
      namespace: "other",
      name: "other",
      subresource: "finalize",
    },
  },
  {
    line: "PATCH /api/v1/namespaces/other/status",
    want: {
      verb: "patch",
      resource: "namespaces",
      namespace: "other",
      name: "other",
      subresource: "status",
    },
  },
  { line: "GET /api/v1/namespaces/other/pods", want: { verb: "list", namespace: "other" } },
  {
    line: "GET /api/v1/namespaces/other/pods/foo",
    want: { verb: "get", namespace: "other", name: "foo" },
  },
  {
    line: "HEAD /api/v1/namespaces/other/pods/foo",
    want: { verb: "get", namespace: "other", name: "foo" },
  },
  { line: "HEAD /api/v1/namespaces/other/pods", want: { verb: "list", namespace: "other" } },
  { line: "GET /api/v1/pods", want: { verb: "list" } },
  { line: "GET /api/v1/nodes/n1", want: { verb: "get", resource: "nodes", name: "n1" } },
  // Subresources, and what stands behind them.
  {
    line: "GET /api/v1/namespaces/other/pods/foo/status",
    want: { verb: "get", namespace: "other", name: "foo", subresource: "status" },
  },
  {
    line: "POST /api/v1/namespaces/other/pods/foo/proxy/a/b/c",
    want: { verb: "create", namespace: "other", name: "foo", subresource: "proxy" },
  },
  {
    line: "POST /api/v1/namespaces/kube-system/serviceaccounts/default/token",
    want: {
      verb: "create",
      resource: "serviceaccounts",
      namespace: "kube-system",
      name: "default",
      subresource: "token",
    },
  },
  // Writes.
  { line: "POST /api/v1/namespaces/other/pods", want: { verb: "create", namespace: "other" } },
  {
    line: "DELETE /api/v1/namespaces/other/pods/foo",
    want: { verb: "delete", namespace: "other", name: "foo" },
  },
  {
    line: "DELETE /api/v1/namespaces/other/pods",
    want: { verb: "deletecollection", namespace: "other" },
  },
  // Groups.
  {
    line: "GET /apis/apps/v1/namespaces/other/deployments/foo",
    want: {
      verb: "get",
      group: "apps",
      resource: "deployments",
      namespace: "other",
      name: "foo",
    },
  },
  {
    line: "GET /apis/rbac.authorization.k8s.io/v1beta1/clusterroles",
    want: {
      verb: "list",
      group: "rbac.authorization.k8s.io",
      version: "v1beta1",
      resource: "clusterroles",
    },
  },
  // Watches: by parameter, and by the old prefix.
  { line: "GET /api/v1/pods?watch=true", want: { verb: "watch" } },
  { line: "GET /api/v1/pods?watch=1", want: { verb: "watch" } },
  { line: "GET /api/v1/pods?watch=True", want: { verb: "watch" } },
  { line: "GET /api/v1/pods?watch=", want: { verb: "watch" } },
  { line: "GET /api/v1/pods?watch=false", want: { verb: "list" } },
  { line: "GET /api/v1/pods?watch=FALSE", want: { verb: "list" } },
  { line: "GET /api/v1/pods?watch=0", want: { verb: "list" } },
  { line: "GET /api/v1/watch/pods", want: { verb: "watch" } },
  {
    line: "GET /api/v1/watch/namespaces/other/pods",
    want: { verb: "watch", namespace: "other" },
  },
  {
    line: "GET /apis/apps/v1/watch/namespaces/other/deployments",
    want: { verb: "watch", group: "apps", resource: "deployments", namespace: "other" },
  },
  // A name makes it a get, whatever the parameter says.
  {
    line: "GET /api/v1/namespaces/other/pods/foo?watch=true",
    want: { verb: "get", namespace: "other", name: "foo" },
  },
  // Spellings of one path.
  { line: "GET //api//v1/namespaces/other/pods/", want: { verb: "list", namespace: "other" } },
  { line: "get /api/v1/pods", want: { verb: "list" } },
  { line: "GET /api/v1/%70ods", want: { verb: "list" } },
  {
    line: "GET /api/v1/namespaces%2Fother/pods%2Ffoo",
    want: { verb: "get", namespace: "other", name: "foo" },
  },
])("parseRequestInfo() reads $line", ({ line, want }) => {
  assert.deepEqual(parse(line), core(want));
});

Deno.test.each([
  "/",
  "/api",
  "/api/v1",
  "/apis",
  "/apis/apps",
  "/apis/apps/v1",
  "/version",
  "/readyz",
  "/openapi/v3/api/v1",
  "/apispods/v1/pods",
])("parseRequestInfo() takes %s for no resource", (path) => {
  assert.deepEqual(parse(`GET ${path}`), { kind: "non-resource", method: "GET", path });
});

Deno.test("parseRequestInfo() takes a method without a verb for no resource", () => {
  const want = { kind: "non-resource", method: "OPTIONS", path: "/api/v1/pods" };
  assert.deepEqual(parse("OPTIONS /api/v1/pods"), want);
});

Deno.test.each([
  "/api/v1/namespaces/a/../kube-system/secrets",
  "/api/v1/namespaces/%2e%2e/secrets",
  "/api/v1/namespaces/a%2F..%2Fkube-system/secrets",
  "/api/v1/./pods",
  "/api/v1/pods/%zz",
  "/api/v1/pods/%ff",
  // Every URL parser on the way would make something else of these.
  "/version/\\..\\api\\v1\\secrets",
  "/api/v1/namespaces/a/secrets/s#/log",
  "/api/v1/pods/\u00e9",
  "api/v1/pods",
])("parseRequestInfo() throws a SyntaxError when the path is %s", (path) => {
  assert.throws(() => parse(`GET ${path}`), SyntaxError);
});

Deno.test("parseRequestInfo() gives a request or a SyntaxError whatever the path", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.constantFrom("GET", "POST", "X"),
      (tail, method) => {
        const path = `/api/v1/${tail}`;
        try {
          const info = parseRequestInfo(method, path, new URLSearchParams());
          if (info.kind === "resource") assert.notEqual(info.resource, "");
        } catch (error) {
          assert.ok(error instanceof SyntaxError, String(error));
        }
      },
    ),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("collectionPath() is read back by parseRequestInfo()", () => {
  const resource = label.filter((name) => name !== "namespaces" && name !== "watch");
  const group = fc.oneof(fc.constant(""), label);
  fc.assert(
    fc.property(group, label, resource, fc.oneof(fc.constant(""), label), (...fields) => {
      const [group, version, resource, namespace] = fields;
      const path = collectionPath({ group, version, resource }, namespace);
      const info = parseRequestInfo("GET", path, new URLSearchParams());
      assert.deepEqual(info, core({ verb: "list", group, version, resource, namespace }));
    }),
  );
});

Deno.test.each([
  { gvr: { group: "", version: "v1", resource: "pods" }, want: "v1/pods" },
  { gvr: { group: "apps", version: "v1", resource: "deployments" }, want: "apps/v1/deployments" },
])("formatGvr() writes $want", ({ gvr, want }) => assert.equal(formatGvr(gvr), want));

Deno.test.each([
  { value: null, want: false },
  { value: "", want: true },
  { value: "true", want: true },
  { value: "True", want: true },
  { value: "yes", want: true },
  { value: "False", want: false },
  { value: "0", want: false },
])("isTrue() takes $value for $want", ({ value, want }) => assert.equal(isTrue(value), want));
