import type { SelectorView } from "../encoding.ts";
import type { Gvr } from "../../request_info.ts";
import { readLabels, readObjectMeta, toListBody } from "./object.ts";
import { decodeText, MessageReader, VARINT } from "./wire.ts";

/** Where a field lies: the numbers of the fields on the way, and what the last one is. */
interface Place {
  path: readonly number[];
  as: "text" | "boolean";
}

const text = (...path: number[]): Place => ({ path, as: "text" });
const boolean = (...path: number[]): Place => ({ path, as: "boolean" });

/**
 * The fields that selectors may name, of the kinds that a node's components select by them
 * (`k8s.io/kubernetes/pkg/registry/core/…/strategy.go`, field numbers from `k8s.io/api/core/v1/generated.proto`).
 */
const FIELDS: Readonly<Record<string, Readonly<Record<string, Place>>>> = {
  pods: {
    "spec.restartPolicy": text(2, 3),
    "spec.serviceAccountName": text(2, 8),
    "spec.nodeName": text(2, 10),
    "spec.hostNetwork": boolean(2, 11),
    "spec.schedulerName": text(2, 19),
    "status.phase": text(3, 1),
    // The first of status.podIPs: status.podIP itself only repeats it.
    "status.podIP": text(3, 12, 1),
    "status.nominatedNodeName": text(3, 11),
  },
  services: { "spec.clusterIP": text(2, 3), "spec.type": text(2, 4) },
  secrets: { type: text(3) },
  nodes: { "spec.unschedulable": boolean(2, 4) },
};

/**
 * How selectors see objects of a resource; undefined when they name a field whose place is not known: then
 * nothing may be concluded from these bytes.
 */
export function createSelectorView(
  { group, version, resource }: Gvr,
  fields: readonly string[],
  metadataOnly: boolean,
): ((body: Uint8Array) => SelectorView) | undefined {
  const known = group === "" && version === "v1" && !metadataOnly ? FIELDS[resource] : undefined;
  const isKnown = (field: string) =>
    field === "metadata.name" || field === "metadata.namespace" ||
    (known !== undefined && Object.hasOwn(known, field));
  if (!fields.every(isKnown)) return undefined;
  return (body) => ({
    labels: readLabels(body),
    field: (field) => {
      if (field === "metadata.name") return readObjectMeta(body).name;
      if (field === "metadata.namespace") return readObjectMeta(body).namespace;
      return read(toListBody(body), known![field]!);
    },
  });
}

function read(message: Uint8Array, { path, as }: Place): string {
  let inner: Uint8Array | undefined = message;
  for (const field of as === "text" ? path : path.slice(0, -1)) {
    inner = inner && firstField(inner, field);
  }
  if (as === "text") return inner === undefined ? "" : decodeText(inner);
  const last = path.at(-1);
  const reader = new MessageReader(inner ?? new Uint8Array(0));
  let value = false;
  while (reader.next()) {
    if (reader.field === last && reader.wire === VARINT) value = reader.value !== 0;
  }
  return String(value);
}

function firstField(message: Uint8Array, field: number): Uint8Array | undefined {
  const reader = new MessageReader(message);
  while (reader.next()) if (reader.is(field)) return reader.bytes();
  return undefined;
}
