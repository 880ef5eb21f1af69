import assert from "node:assert/strict";
import { parseRequestInfo } from "../../kube/request_info.ts";
import type { Caller } from "../identity/identity.ts";
import { type Lane, laneOf } from "./lanes.ts";

const IDENTITY: Caller = { kind: "identity", name: "kubelet", key: "identity:kubelet" };
const BEARER: Caller = { kind: "bearer", token: "t", key: "bearer:h" };
const ANONYMOUS: Caller = { kind: "anonymous", key: "anonymous" };
const CALLERS: Caller[] = [IDENTITY, BEARER, ANONYMOUS];

function lane(line: string, caller = IDENTITY, headers: Record<string, string> = {}): Lane {
  const [method = "", target = ""] = line.split(" ");
  const [path = "", search] = target.split("?");
  const query = new URLSearchParams(search);
  const info = parseRequestInfo(method, path, query);
  return laneOf({ method, info, headers: new Headers(headers), query, caller });
}

const POD = "/api/v1/namespaces/ns/pods/p";
const TOKEN = "/api/v1/namespaces/ns/serviceaccounts/sa/token";
const EVENTS = "/api/v1/namespaces/ns/events";
const REVIEW = "/apis/authorization.k8s.io/v1";

Deno.test.each<{ line: string; want: Lane }>([
  { line: "GET /api/v1/pods", want: "list" },
  { line: "GET /api/v1/pods?watch=true", want: "watch" },
  { line: "GET /api/v1/watch/pods", want: "watch" },
  { line: `GET ${POD}`, want: "get" },
  { line: `GET ${POD}/status`, want: "get" },
  { line: "POST /api/v1/namespaces/ns/pods", want: "write" },
  { line: `PUT ${POD}/status`, want: "write" },
  { line: `PATCH ${POD}`, want: "write" },
  { line: `DELETE ${POD}`, want: "write" },
  { line: "DELETE /api/v1/namespaces/ns/pods", want: "write" },
  { line: "POST /api/v1/namespaces/ns/pods/p/eviction", want: "write" },
  { line: "POST /api/v1/namespaces/ns/pods/p/binding", want: "write" },
  // A token is asked for; an account is made.
  { line: `POST ${TOKEN}`, want: "token" },
  { line: `POST ${TOKEN}?dryRun=All`, want: "ask" },
  { line: "POST /api/v1/namespaces/ns/serviceaccounts", want: "write" },
  { line: "POST /api/v1/namespaces/ns/serviceaccounts/token", want: "write" },
  { line: "POST /apis/example.com/v1/namespaces/ns/serviceaccounts/sa/token", want: "write" },
  { line: `PUT ${TOKEN}`, want: "write" },
  { line: "POST /apis/authentication.k8s.io/v1/tokenreviews", want: "review" },
  { line: `POST ${REVIEW}/subjectaccessreviews`, want: "review" },
  { line: `POST ${REVIEW}/namespaces/ns/localsubjectaccessreviews`, want: "review" },
  { line: `POST ${REVIEW}/selfsubjectaccessreviews`, want: "review" },
  { line: `POST ${REVIEW}/selfsubjectrulesreviews`, want: "review" },
  { line: "POST /apis/authentication.k8s.io/v1/selfsubjectreviews", want: "review" },
  { line: "POST /apis/example.com/v1/tokenreviews", want: "write" },
  { line: `POST ${EVENTS}`, want: "event" },
  { line: "POST /apis/events.k8s.io/v1/namespaces/ns/events", want: "event" },
  { line: `PATCH ${EVENTS}/e`, want: "event" },
  { line: `POST ${EVENTS}?dryRun=All`, want: "write" },
  { line: `PUT ${EVENTS}/e`, want: "write" },
  { line: `DELETE ${EVENTS}/e`, want: "write" },
  { line: `DELETE ${EVENTS}`, want: "write" },
  { line: `PATCH ${EVENTS}/e/status`, want: "write" },
  { line: "POST /api/v1/events", want: "write" },
  { line: "POST /apis/example.com/v1/namespaces/ns/events", want: "write" },
  { line: `GET ${EVENTS}`, want: "list" },
  { line: "PUT /apis/apps/v1/namespaces/ns/deployments/d/scale", want: "write" },
  { line: "PATCH /api/v1/nodes/n/status", want: "write" },
  { line: `GET ${POD}/log?follow=true`, want: "stream" },
  { line: `GET ${POD}/proxy/metrics`, want: "stream" },
  { line: `POST ${POD}/proxy/x`, want: "stream" },
  { line: "GET /api/v1/nodes/n/proxy/stats/summary", want: "stream" },
  // The cloud says what is missing.
  { line: `POST ${POD}/exec`, want: "stream" },
  { line: `POST ${POD}/attach`, want: "stream" },
  { line: `GET ${POD}/portforward`, want: "stream" },
  { line: "GET /api", want: "discovery" },
  { line: "GET /api/v1", want: "discovery" },
  { line: "GET /apis/apps/v1", want: "discovery" },
  { line: "GET /version", want: "discovery" },
  { line: "GET /openapi/v3/apis/apps/v1", want: "discovery" },
  { line: "GET /openid/v1/jwks", want: "discovery" },
  { line: "GET /.well-known/openid-configuration", want: "discovery" },
  { line: "POST /version", want: "forward" },
  { line: "GET /versions", want: "forward" },
  { line: "GET /readyz", want: "forward" },
  { line: "GET /metrics", want: "forward" },
  { line: "GET /", want: "forward" },
])("laneOf() sends $line to $want", ({ line, want }) => assert.equal(lane(line), want));

Deno.test.each([
  "GET /api/v1/pods",
  "GET /api/v1/pods?watch=true",
  `GET ${POD}`,
  "GET /api",
  "GET /version",
])("laneOf() keeps nothing of %s for who says nothing of themselves", (line) => {
  assert.equal(lane(line, ANONYMOUS), "forward");
});

Deno.test.each(["Impersonate-User", "impersonate-group", "Impersonate-Extra-Scopes"])(
  "laneOf() keeps nothing for who speaks for another by %s",
  (name) => {
    for (const caller of [IDENTITY, BEARER]) {
      assert.equal(lane("GET /api/v1/secrets", caller, { [name]: "x" }), "forward");
      assert.equal(lane(`GET ${POD}`, caller, { [name]: "x" }), "forward");
      assert.equal(lane(`POST ${TOKEN}`, caller, { [name]: "x" }), "ask");
      assert.equal(lane(`POST ${REVIEW}/subjectaccessreviews`, caller, { [name]: "x" }), "ask");
      assert.equal(lane(`POST ${EVENTS}`, caller, { [name]: "x" }), "write");
    }
  },
);

Deno.test("laneOf() treats writes of an impersonator and of a stranger as writes", () => {
  assert.equal(lane(`DELETE ${POD}`, IDENTITY, { "impersonate-user": "x" }), "write");
  assert.equal(lane(`DELETE ${POD}`, ANONYMOUS), "write");
  assert.equal(lane(`POST ${EVENTS}`, ANONYMOUS), "write");
  assert.equal(lane(`POST ${TOKEN}`, ANONYMOUS), "ask");
});

Deno.test.each([
  `POST ${POD}/exec`,
  `GET ${POD}/portforward`,
  `GET ${POD}/proxy/live`,
  "GET /api/v1/pods?watch=true",
  "GET /anything",
])("laneOf() takes %s for an upgrade when it wants to leave HTTP", (line) => {
  for (const upgrade of ["websocket", "SPDY/3.1", "h2c, SPDY/3.1"]) {
    const headers = { connection: "keep-alive, Upgrade", upgrade };
    for (const asker of CALLERS) {
      assert.equal(lane(line, asker, headers), "upgrade");
    }
  }
});

Deno.test.each([
  { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c" },
  { connection: "Upgrade", upgrade: " H2C , " },
  { connection: "keep-alive", upgrade: "websocket" },
  { connection: "Upgrade" },
])("laneOf() ignores an offer that may be ignored: %o", (headers) => {
  assert.equal(lane("GET /api/v1/pods", IDENTITY, headers as Record<string, string>), "list");
});

Deno.test("laneOf() treats a bearer as an identity", () => {
  assert.equal(lane("GET /api/v1/pods", BEARER), "list");
});
