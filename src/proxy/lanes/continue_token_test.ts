import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS } from "../../../tests/testing/arbitraries.ts";
import {
  expiredContinue,
  formatContinue,
  parseCloudContinue,
  parseContinue,
  toCloudContinue,
} from "./continue_token.ts";

const cloudToken = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");

Deno.test("parseContinue() gives back what formatContinue() wrote", () => {
  const key = fc.stringMatching(/^[a-z0-9.-]{1,20}(\/[a-z0-9.-]{1,20})?$/);
  fc.assert(
    fc.property(fc.stringMatching(/^([1-9][0-9]{0,25})?$/), key, (resourceVersion, after) => {
      const token = formatContinue({ resourceVersion, after });
      assert.match(token, /^[\w.-]+$/);
      assert.deepEqual(parseContinue(token), { resourceVersion, after });
    }),
  );
});

Deno.test.each([
  "",
  "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJhIn0",
  "edge-agent.",
  "edge-agent.!!!",
  `edge-agent.${btoa("10/")}`,
  `edge-agent.${btoa("abc/a")}`,
  `edge-agent.${btoa("0/a")}`,
])("parseContinue() takes '%s' for no token of the agent", (token) => {
  assert.equal(parseContinue(token), undefined);
});

Deno.test.each([
  { what: "of a namespace", start: "/a\0", namespace: "shop", after: "shop/a" },
  { what: "of all namespaces", start: "/shop/a\0", namespace: "", after: "shop/a" },
  { what: "from etcd itself", start: "shop/a\0", namespace: "", after: "shop/a" },
  { what: "of a cluster-scoped resource", start: "/a\0", namespace: "", after: "a" },
])("parseCloudContinue() reads a token $what", ({ start, namespace, after }) => {
  const token = cloudToken({ v: "meta.k8s.io/v1", rv: 207, start });
  assert.deepEqual(parseCloudContinue(token, namespace), { resourceVersion: "207", after });
});

Deno.test("parseCloudContinue() takes a negative version for any", () => {
  const token = cloudToken({ v: "meta.k8s.io/v1", rv: -1, start: "/a\0" });
  assert.deepEqual(parseCloudContinue(token, ""), { resourceVersion: "", after: "a" });
});

Deno.test("parseCloudContinue() reads what toCloudContinue() wrote", () => {
  const name = fc.stringMatching(/^[a-z0-9.-]{1,20}$/);
  const version = fc.oneof(fc.constant(""), fc.integer({ min: 1 }).map(String));
  fc.assert(fc.property(version, name, name, (resourceVersion, namespace, object) => {
    const token = { resourceVersion, after: `${namespace}/${object}` };
    for (const inside of [namespace, ""]) {
      assert.deepEqual(parseCloudContinue(toCloudContinue(token, inside), inside), token);
    }
  }));
});

Deno.test("parseCloudContinue() gives a token or nothing whatever the text", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json().map(btoaUtf8), fc.base64String()), (text) => {
      parseCloudContinue(text, "");
    }),
    { numRuns: FUZZ_RUNS },
  );
  assert.equal(parseCloudContinue("abc", ""), undefined);
  assert.equal(parseCloudContinue(cloudToken({ v: "v2", rv: 1, start: "a" }), ""), undefined);
});

function btoaUtf8(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

Deno.test("expiredContinue() offers the rest of the list, whatever it is by now", () => {
  const status = expiredContinue({ resourceVersion: "7", after: "shop/a" });
  assert.deepEqual([status.code, status.reason], [410, "Expired"]);
  assert.deepEqual(parseContinue(status.continue!), { resourceVersion: "", after: "shop/a" });
});
