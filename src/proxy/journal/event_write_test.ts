import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { encodeObject } from "../../../tests/testing/protobuf.ts";
import { parseRequestInfo, type ResourceRequest } from "../../kube/request_info.ts";
import { type EventWrite, readEventWrite, toCreate } from "./event_write.ts";

const PATH = "/api/v1/namespaces/default/events";
const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";
const STRATEGIC = "application/strategic-merge-patch+json";
const NOW_MS = Date.UTC(2026, 0, 1, 0, 0, 0, 999);

function read(
  method: string,
  path: string,
  contentType: string | null,
  body: Uint8Array | unknown,
): EventWrite | undefined {
  const info = parseRequestInfo(method, path, new URLSearchParams()) as ResourceRequest;
  const bytes = body instanceof Uint8Array ? body : utf8(JSON.stringify(body));
  const request = {
    info,
    caller: "identity:a",
    query: "",
    contentType,
    userAgent: "",
    body: bytes,
  };
  return readEventWrite(request, () => 0, NOW_MS);
}

const EVENT = { metadata: { name: "web.1" }, reason: "Started", count: 1 };

Deno.test("readEventWrite() sends an Event as it came and answers it as the cloud would", () => {
  const write = read("POST", PATH, JSON_TYPE, EVENT)!;
  const { verb, object, path, contentType, body } = write.entry;
  assert.deepEqual([verb, object, path, contentType], ["create", "default/web.1", PATH, JSON_TYPE]);
  assert.equal(text(body), JSON.stringify(EVENT));
  assert.ok(write.repeatable);
  const { metadata, ...rest } = write.result(undefined);
  assert.deepEqual(rest, { reason: "Started", count: 1, kind: "Event", apiVersion: "v1" });
  const { uid, ...others } = metadata;
  assert.match(String(uid), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(others, {
    name: "web.1",
    namespace: "default",
    creationTimestamp: "2026-01-01T00:00:00Z",
  });
});

Deno.test("readEventWrite() sends a kubelet's protobuf as it came and answers it in JSON", () => {
  const bytes = encodeObject("v1", "Event", { 1: { 1: "web.1", 3: "default" }, 3: "Started" });
  const write = read("POST", PATH, PROTOBUF_TYPE, bytes)!;
  assert.equal(write.entry.body, bytes);
  assert.equal(write.entry.contentType, PROTOBUF_TYPE);
  const { kind, reason, metadata } = write.result(undefined);
  assert.deepEqual([kind, reason, metadata.name], ["Event", "Started", "web.1"]);
});

Deno.test("readEventWrite() chooses the name that the cloud would have chosen", () => {
  const write = read("POST", PATH, JSON_TYPE, { metadata: { generateName: "x".repeat(70) } })!;
  const { metadata } = JSON.parse(text(write.entry.body));
  assert.equal(metadata.name, `${"x".repeat(58)}bbbbb`);
  assert.equal(write.entry.object, `default/${metadata.name}`);
  assert.equal(write.result(undefined).metadata.name, metadata.name);
  // With the name it would be another Event if it was sent before.
  assert.ok(!write.repeatable);
});

Deno.test("readEventWrite() answers a patch with the whole Event, or with what there is", () => {
  const write = read("PATCH", `${PATH}/web.1`, STRATEGIC, { count: 2, message: null })!;
  assert.deepEqual([write.entry.verb, write.entry.path], ["patch", `${PATH}/web.1`]);
  assert.ok(write.repeatable);
  const known = { metadata: { name: "web.1", uid: "u" }, count: 1, message: "m", reason: "r" };
  assert.deepEqual(write.result(known), {
    metadata: { name: "web.1", uid: "u" },
    count: 2,
    reason: "r",
  });
  assert.deepEqual(write.result(undefined), {
    kind: "Event",
    apiVersion: "v1",
    metadata: { name: "web.1", namespace: "default" },
    count: 2,
  });
});

Deno.test("readEventWrite() speaks the API group by which it was asked", () => {
  const path = PATH.replace("/api/v1", "/apis/events.k8s.io/v1");
  const write = read("POST", path, JSON_TYPE, EVENT)!;
  assert.equal(write.entry.path, path);
  assert.equal(write.result(undefined).apiVersion, "events.k8s.io/v1");
});

Deno.test.each<{ name: string; method: string; type: string; body: unknown }>([
  { name: "a JSON patch", method: "PATCH", type: "application/json-patch+json", body: [] },
  { name: "an apply patch", method: "PATCH", type: "application/apply-patch+yaml", body: EVENT },
  { name: "a patch that is no object", method: "PATCH", type: STRATEGIC, body: [1] },
  {
    name: "another namespace",
    method: "POST",
    type: JSON_TYPE,
    body: { metadata: { name: "a", namespace: "other" } },
  },
  { name: "no name", method: "POST", type: JSON_TYPE, body: { metadata: {} } },
  {
    name: "a name that is none",
    method: "POST",
    type: JSON_TYPE,
    body: { metadata: { name: "\ud800" } },
  },
  { name: "another kind", method: "POST", type: JSON_TYPE, body: { kind: "Pod", ...EVENT } },
  { name: "YAML", method: "POST", type: "application/yaml", body: EVENT },
  { name: "broken protobuf", method: "POST", type: PROTOBUF_TYPE, body: EVENT },
  { name: "too much", method: "POST", type: JSON_TYPE, body: { ...EVENT, x: "x".repeat(70_000) } },
])("readEventWrite() leaves $name to the cloud", ({ method, type, body }) => {
  const path = method === "PATCH" ? `${PATH}/web.1` : PATH;
  assert.equal(read(method, path, type, body), undefined);
});

Deno.test("toCreate() asks for the Event without what the cloud gives it", () => {
  const { entry } = read("PATCH", `${PATH}/web.1`, STRATEGIC, { count: 2 })!;
  const metadata = { name: "web.1", labels: { a: "b" } };
  const known = {
    metadata: {
      ...metadata,
      uid: "u",
      resourceVersion: "7",
      creationTimestamp: "t",
      managedFields: [],
    },
    count: 2,
  };
  const create = toCreate(entry, known);
  assert.deepEqual([create.verb, create.path, create.contentType], ["create", PATH, JSON_TYPE]);
  assert.deepEqual(JSON.parse(text(create.body)), { metadata, count: 2 });
});
