import assert from "node:assert/strict";
import fc from "fast-check";
import { formatJson } from "./codec/json.ts";
import { jsonFieldReader, selectableField } from "./selectable_fields.ts";

const gvrOf = (name: string) => {
  const [resource = "", version = "", group = ""] = name.split("/").reverse();
  return { group, version, resource };
};

const META = { name: "a", namespace: "shop" };

Deno.test.each([
  { of: "v1/pods", field: "metadata.name", object: {}, want: "a" },
  { of: "v1/pods", field: "metadata.namespace", object: {}, want: "shop" },
  { of: "v1/pods", field: "spec.nodeName", object: { spec: { nodeName: "n" } }, want: "n" },
  { of: "v1/pods", field: "spec.nodeName", object: { spec: {} }, want: "" },
  { of: "v1/pods", field: "spec.hostNetwork", object: { spec: {} }, want: "false" },
  {
    of: "v1/pods",
    field: "spec.hostNetwork",
    object: { spec: { hostNetwork: true } },
    want: "true",
  },
  {
    of: "v1/pods",
    field: "status.podIP",
    object: { status: { podIP: "10.0.0.2", podIPs: [{ ip: "10.0.0.1" }] } },
    want: "10.0.0.1",
  },
  { of: "v1/pods", field: "status.podIP", object: { status: { podIP: "10.0.0.2" } }, want: "" },
  {
    of: "v1/services",
    field: "spec.clusterIP",
    object: { spec: { clusterIP: "None" } },
    want: "None",
  },
  { of: "v1/nodes", field: "spec.unschedulable", object: { spec: {} }, want: "false" },
  { of: "v1/secrets", field: "type", object: { type: "Opaque" }, want: "Opaque" },
  {
    of: "v1/namespaces",
    field: "status.phase",
    object: { status: { phase: "Active" } },
    want: "Active",
  },
  {
    of: "v1/events",
    field: "source",
    object: { source: {}, reportingComponent: "kubelet" },
    want: "kubelet",
  },
  {
    of: "v1/events",
    field: "involvedObject.uid",
    object: { involvedObject: { uid: "u" } },
    want: "u",
  },
  {
    of: "events.k8s.io/v1/events",
    field: "regarding.kind",
    object: { regarding: { kind: "Pod" } },
    want: "Pod",
  },
  { of: "batch/v1/jobs", field: "status.successful", object: { status: {} }, want: "0" },
  { of: "example.org/v1/widgets", field: "metadata.name", object: {}, want: "a" },
])("selectableField() reads $field of $of as '$want'", ({ of, field, object, want }) => {
  const body = formatJson({ metadata: META, ...object });
  assert.equal(selectableField(gvrOf(of), field)?.(jsonFieldReader(body)), want);
});

Deno.test.each([
  { of: "v1/pods", field: "spec.x" },
  { of: "v1/pods", field: "spec" },
  { of: "v1/pods", field: "toString" },
  { of: "v1/configmaps", field: "data.k" },
  { of: "v1/nodes", field: "metadata.namespace" },
  { of: "v1/events", field: "regarding.kind" },
  { of: "example.org/v1/widgets", field: "spec.size" },
  { of: "example.org/v1/pods", field: "spec.nodeName" },
])("selectableField() knows no $field of $of", ({ of, field }) => {
  assert.equal(selectableField(gvrOf(of), field), undefined);
});

Deno.test("jsonFieldReader() reads what JSON.parse reads", () => {
  const name = fc.constantFrom("a", "b", "c");
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 3 }, leaf, fc.dictionary(name, tie("tree")), fc.array(tie("tree"))),
  }));
  fc.assert(
    fc.property(fc.dictionary(name, tree), fc.array(name, { maxLength: 3 }), (object, path) => {
      const wanted = path.reduce<unknown>(
        (value, key) =>
          value !== null && typeof value === "object" && !Array.isArray(value)
            ? (value as Record<string, unknown>)[key]
            : undefined,
        object,
      );
      const read = jsonFieldReader(formatJson(object))(...path);
      assert.deepEqual(read, JSON.parse(JSON.stringify(wanted ?? null)) ?? undefined);
    }),
  );
});
