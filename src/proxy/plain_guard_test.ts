import assert from "node:assert/strict";
import { refuseBrowsers } from "./plain_guard.ts";

const PATH = "/api/v1/namespaces/a/pods/b/exec";

Deno.test.each([
  { url: "http://127.0.0.1:8001", headers: {}, want: undefined },
  { url: "http://localhost:8001", headers: { "user-agent": "curl" }, want: undefined },
  { url: "http://[::1]:8001", headers: {}, want: undefined },
  { url: "http://rebound.example.com:8001", headers: {}, want: 403 },
  { url: "http://127.0.0.1.example.com:8001", headers: {}, want: 403 },
  { url: "http://127.0.0.1:8001", headers: { origin: "https://example.com" }, want: 403 },
  { url: "http://127.0.0.1:8001", headers: { origin: "null" }, want: 403 },
  { url: "http://a b", headers: {}, want: 403 },
])("refuseBrowsers() of $url with $headers is $want", ({ url, headers, want }) => {
  const refusal = refuseBrowsers({ url: url + PATH, headers: new Headers(headers as HeadersInit) });
  assert.equal(refusal?.status, want);
});
