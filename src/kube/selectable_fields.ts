import { parseJson, scanObject } from "./codec/json.ts";
import type { Gvr } from "./request_info.ts";

/** The value of an object by which a field selector may choose; "" where it is absent, as in Kubernetes. */
export type SelectableField = (read: FieldReader) => string;

/** Reads the value at a path of an object; undefined where there is none. */
export type FieldReader = (...path: string[]) => unknown;

const text = (...path: string[]): SelectableField => (read) => String(read(...path) ?? "");
const orElse = (absent: string, ...path: string[]): SelectableField => (read) =>
  String(read(...path) ?? absent);

/** Fields of a reference to the object of an Event, by the name that the API version has for it. */
const reference = (name: string) =>
  Object.fromEntries(
    ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"]
      .map((field) => [`${name}.${field}`, text(name, field)]),
  );

/**
 * What kube-apiserver 1.35 can select by beside `metadata.name` and `metadata.namespace`: the strategies under
 * `pkg/registry` (what the fields are) and the conversions under `pkg/apis` (what clients may name).
 * Custom resources may have more, which only the cloud knows.
 */
const FIELDS: Readonly<Record<string, Readonly<Record<string, SelectableField>>>> = {
  "v1/pods": {
    "spec.nodeName": text("spec", "nodeName"),
    "spec.restartPolicy": text("spec", "restartPolicy"),
    "spec.schedulerName": text("spec", "schedulerName"),
    "spec.serviceAccountName": text("spec", "serviceAccountName"),
    "spec.hostNetwork": orElse("false", "spec", "hostNetwork"),
    "status.phase": text("status", "phase"),
    "status.podIP": (read) => {
      const [first] = (read("status", "podIPs") ?? []) as { ip?: string }[];
      return first?.ip ?? "";
    },
    "status.nominatedNodeName": text("status", "nominatedNodeName"),
  },
  "v1/nodes": { "spec.unschedulable": orElse("false", "spec", "unschedulable") },
  "v1/services": {
    "spec.clusterIP": text("spec", "clusterIP"),
    "spec.type": text("spec", "type"),
  },
  "v1/secrets": { type: text("type") },
  "v1/namespaces": { "status.phase": text("status", "phase") },
  "v1/replicationcontrollers": { "status.replicas": orElse("0", "status", "replicas") },
  "v1/events": {
    ...reference("involvedObject"),
    reason: text("reason"),
    reportingComponent: text("reportingComponent"),
    source: (read) => String(read("source", "component") || read("reportingComponent") || ""),
    type: text("type"),
  },
  "events.k8s.io/v1/events": {
    ...reference("regarding"),
    reason: text("reason"),
    reportingController: text("reportingController"),
    type: text("type"),
  },
  "batch/v1/jobs": { "status.successful": orElse("0", "status", "succeeded") },
  "certificates.k8s.io/v1/certificatesigningrequests": {
    "spec.signerName": text("spec", "signerName"),
  },
  "resource.k8s.io/v1/resourceslices": {
    "spec.nodeName": text("spec", "nodeName"),
    "spec.driver": text("spec", "driver"),
  },
};

/** What may not be selected by `metadata.namespace`, though the default would allow it. */
const WITHOUT_NAMESPACE = new Set([
  "v1/nodes",
  "v1/namespaces",
  "certificates.k8s.io/v1/certificatesigningrequests",
  "resource.k8s.io/v1/resourceslices",
]);

/** How a field of a resource is read; undefined where only the cloud knows whether there is such a field. */
export function selectableField(
  { group, version, resource }: Gvr,
  field: string,
): SelectableField | undefined {
  const gvr = group === "" ? `${version}/${resource}` : `${group}/${version}/${resource}`;
  if (field === "metadata.name") return text("metadata", "name");
  if (field === "metadata.namespace" && !WITHOUT_NAMESPACE.has(gvr)) {
    return text("metadata", "namespace");
  }
  const fields = FIELDS[gvr];
  return fields !== undefined && Object.hasOwn(fields, field) ? fields[field] : undefined;
}

/** Reads values out of the JSON of an object, decoding only those. @throws {SyntaxError} */
export function jsonFieldReader(body: Uint8Array): FieldReader {
  return (...path) => {
    let at = body;
    for (const name of path) {
      if (at[0] !== OPEN_BRACE) return undefined;
      const range = scanObject(at).get(name);
      if (range === undefined) return undefined;
      at = at.subarray(...range);
    }
    return parseJson(at) ?? undefined;
  };
}

const OPEN_BRACE = 0x7b;
