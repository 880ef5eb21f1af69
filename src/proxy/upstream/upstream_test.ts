import assert from "node:assert/strict";
import { isMiddlebox, UnreachableError } from "./upstream.ts";

const STATUS = "application/json";

Deno.test.each([
  { status: 503, headers: {}, want: true },
  { status: 502, headers: { "content-type": "text/html" }, want: true },
  { status: 504, headers: { "content-type": "text/plain" }, want: true },
  { status: 503, headers: { "content-type": STATUS }, want: false },
  { status: 504, headers: { "content-type": `${STATUS}; charset=utf-8` }, want: false },
  // An aggregated API's own text, passed on by the kube-apiserver.
  { status: 503, headers: { "content-type": "text/plain", "audit-id": "x" }, want: false },
  { status: 500, headers: { "content-type": "text/html" }, want: false },
  { status: 403, headers: { "content-type": "text/html" }, want: false },
  { status: 429, headers: {}, want: false },
  // Captive portals.
  { status: 200, headers: { "content-type": "text/html; charset=utf-8" }, want: true },
  { status: 302, headers: {}, want: true },
  { status: 511, headers: { "content-type": "text/html" }, want: true },
  { status: 304, headers: {}, want: false },
  { status: 200, headers: { "content-type": "text/plain" }, want: false },
  { status: 200, headers: { "content-type": "application/vnd.kubernetes.protobuf" }, want: false },
  // A page of an aggregated API, or a redirect of one, passed on by the kube-apiserver.
  { status: 200, headers: { "content-type": "text/html", "audit-id": "x" }, want: false },
  { status: 302, headers: { "audit-id": "x" }, want: false },
])("isMiddlebox() of $status with $headers is $want", ({ status, headers, want }) => {
  const response = new Response(null, { status, headers: headers as Record<string, string> });
  assert.equal(isMiddlebox(response), want);
});

Deno.test("UnreachableError tells what happened and whether the request may have arrived", () => {
  const error = new UnreachableError(new Error("reset"), { sent: true });
  assert.deepEqual([error.code, error.sent, error.answered], ["unreachable", true, false]);
  assert.match(error.message, /reset/);
});
