import assert from "node:assert/strict";
import { utf8 } from "../../tests/testing/arbitraries.ts";
import { encodeObject } from "../../tests/testing/protobuf.ts";
import { readEvent } from "./event_object.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";

Deno.test("readEvent() reads a kubelet's Event of core/v1", () => {
  const bytes = encodeObject("v1", "Event", {
    1: { 1: "web.18a", 2: "", 3: "default", 5: "", 8: new Uint8Array(0), 12: [{ 1: "k", 2: "v" }] },
    2: { 1: "Pod", 2: "default", 3: "web", 4: "u", 5: "v1", 6: "12", 7: "spec.containers{web}" },
    3: "Started",
    4: "Started container web",
    5: { 1: "kubelet", 2: "edge-1" },
    6: { 1: 1_767_225_600, 2: 0 },
    7: { 1: 1_767_225_601, 2: 0 },
    8: 3,
    9: "Normal",
    10: new Uint8Array(0),
    12: "",
    14: "kubelet",
    15: "edge-1",
  });
  assert.deepEqual(readEvent(bytes, PROTOBUF, ""), {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "web.18a", namespace: "default", annotations: { k: "v" } },
    involvedObject: {
      kind: "Pod",
      namespace: "default",
      name: "web",
      uid: "u",
      apiVersion: "v1",
      resourceVersion: "12",
      fieldPath: "spec.containers{web}",
    },
    reason: "Started",
    message: "Started container web",
    source: { component: "kubelet", host: "edge-1" },
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:00:01Z",
    count: 3,
    type: "Normal",
    reportingComponent: "kubelet",
    reportingInstance: "edge-1",
  });
});

Deno.test("readEvent() reads an Event of events.k8s.io/v1", () => {
  const bytes = encodeObject("events.k8s.io/v1", "Event", {
    1: { 1: "web.18a", 3: "default" },
    2: { 1: 1_767_225_600, 2: 5_000 },
    3: { 1: 2, 2: { 1: 1_767_225_600, 2: 7_000 } },
    4: "kube-proxy",
    5: "kube-proxy-edge-1",
    6: "Starting",
    7: "Starting",
    8: { 1: "Node", 3: "edge-1" },
    10: "a note",
    11: "Normal",
  });
  assert.deepEqual(readEvent(bytes, PROTOBUF, "events.k8s.io"), {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "web.18a", namespace: "default" },
    eventTime: "2026-01-01T00:00:00.000005Z",
    series: { count: 2, lastObservedTime: "2026-01-01T00:00:00.000007Z" },
    reportingController: "kube-proxy",
    reportingInstance: "kube-proxy-edge-1",
    action: "Starting",
    reason: "Starting",
    regarding: { kind: "Node", name: "edge-1" },
    note: "a note",
    type: "Normal",
  });
});

Deno.test("readEvent() takes JSON as it is, with and without its type", () => {
  const event = { metadata: { name: "a" }, count: 1 };
  assert.deepEqual(readEvent(utf8(JSON.stringify(event)), "application/json", ""), event);
  const typed = { kind: "Event", ...event };
  assert.deepEqual(readEvent(utf8(JSON.stringify(typed)), null, ""), typed);
});

Deno.test.each<{ name: string; body: string; type: string }>([
  { name: "another kind", body: '{"kind":"Pod","metadata":{}}', type: "application/json" },
  { name: "no metadata", body: '{"kind":"Event"}', type: "application/json" },
  { name: "metadata that is none", body: '{"metadata":[]}', type: "application/json" },
  { name: "a number", body: "5", type: "application/json" },
  { name: "CBOR", body: "", type: "application/cbor" },
])("readEvent() throws a SyntaxError on $name", ({ body, type }) => {
  assert.throws(() => readEvent(utf8(body), type, ""), SyntaxError);
});
