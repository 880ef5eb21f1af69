import assert from "node:assert/strict";
import { encode, encodeMeta, type Message } from "../../../../tests/testing/protobuf.ts";
import { createSelectorView } from "./selectable.ts";

const PODS = { group: "", version: "v1", resource: "pods" };

/** A pod as the cloud writes it, with what lies around the fields that selectors name. */
const pod = (spec: Message, status: Message) =>
  encode([
    [1, encodeMeta({ name: "a", namespace: "ns", labels: { tier: "front" } })],
    [2, [[2, [[1, "container"], [10, "not the node"]]], ...spec]],
    [3, [[2, [[1, "Ready"]]], ...status]],
  ]);

const FULL = pod(
  [[3, "Always"], [8, "sa"], [10, "n1"], [11, 1], [19, "default-scheduler"]],
  [[1, "Running"], [6, "10.0.0.1"], [11, "n2"], [12, [[1, "10.0.0.1"]]], [12, [[1, "fd00::1"]]]],
);
const EMPTY = pod([[11, 0]], []);

Deno.test.each([
  { field: "metadata.name", full: "a", empty: "a" },
  { field: "metadata.namespace", full: "ns", empty: "ns" },
  { field: "spec.nodeName", full: "n1", empty: "" },
  { field: "spec.restartPolicy", full: "Always", empty: "" },
  { field: "spec.schedulerName", full: "default-scheduler", empty: "" },
  { field: "spec.serviceAccountName", full: "sa", empty: "" },
  { field: "spec.hostNetwork", full: "true", empty: "false" },
  { field: "status.phase", full: "Running", empty: "" },
  { field: "status.podIP", full: "10.0.0.1", empty: "" },
  { field: "status.nominatedNodeName", full: "n2", empty: "" },
])("createSelectorView() sees $field of a pod as kube-apiserver does", ({ field, full, empty }) => {
  const viewOf = createSelectorView(PODS, [field], false)!;
  assert.deepEqual([viewOf(FULL).field(field), viewOf(EMPTY).field(field)], [full, empty]);
  assert.deepEqual({ ...viewOf(FULL).labels }, { tier: "front" });
});

Deno.test.each([
  {
    resource: "services",
    field: "spec.clusterIP",
    body: [[2, [[3, "None"], [4, "ClusterIP"]]]],
    want: "None",
  },
  {
    resource: "services",
    field: "spec.type",
    body: [[2, [[3, "None"], [4, "ClusterIP"]]]],
    want: "ClusterIP",
  },
  { resource: "secrets", field: "type", body: [[2, [[1, "k"]]], [3, "Opaque"]], want: "Opaque" },
  { resource: "nodes", field: "spec.unschedulable", body: [[2, [[4, 1]]]], want: "true" },
  { resource: "nodes", field: "spec.unschedulable", body: [], want: "false" },
] as { resource: string; field: string; body: Message; want: string }[])(
  "createSelectorView() sees $field of $resource as $want",
  ({ resource, field, body, want }) => {
    const viewOf = createSelectorView({ ...PODS, resource }, [field], false)!;
    assert.equal(viewOf(encode([[1, encodeMeta({ name: "a" })], ...body])).field(field), want);
  },
);

Deno.test.each([
  { name: "a field that it does not know", gvr: PODS, field: "spec.hostname", metadataOnly: false },
  { name: "a field that every object has", gvr: PODS, field: "toString", metadataOnly: false },
  {
    name: "metadata that no selector can name",
    gvr: PODS,
    field: "metadata.uid",
    metadataOnly: false,
  },
  {
    name: "fields that metadata do not have",
    gvr: PODS,
    field: "spec.nodeName",
    metadataOnly: true,
  },
  {
    name: "a field of another group's pods",
    gvr: { ...PODS, group: "metrics.k8s.io" },
    field: "spec.nodeName",
    metadataOnly: false,
  },
])("createSelectorView() sees nothing when asked for $name", ({ gvr, field, metadataOnly }) => {
  assert.equal(createSelectorView(gvr, ["metadata.name", field], metadataOnly), undefined);
});
