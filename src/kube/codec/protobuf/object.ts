/** Objects as messages: their metadata, which is field 1 of every kind (`k8s.io/api/…/generated.proto`). */
import { concatBytes } from "../json.ts";
import type { ItemType, ObjectMeta } from "../../object_meta.ts";
import { formatEnvelope, hasEnvelope, parseEnvelope } from "./envelope.ts";
import { findField, formatField, formatNumber, formatText, MessageReader } from "./wire.ts";

/** Field of an object that holds its `ObjectMeta`. */
const METADATA = 1;

/** Fields of `meta/v1.ObjectMeta`. */
const META = {
  name: 1,
  generateName: 2,
  namespace: 3,
  selfLink: 4,
  uid: 5,
  resourceVersion: 6,
  generation: 7,
  creationTimestamp: 8,
  labels: 11,
  annotations: 12,
} as const;

/** Key and value of an entry of a map. */
const ENTRY = { key: 1, value: 2 } as const;

/** The message of an object, whether it stands alone or lies in a list. @throws {SyntaxError} */
export function toListBody(object: Uint8Array): Uint8Array {
  return hasEnvelope(object) ? parseEnvelope(object).raw : object;
}

/** The item as it stands alone, in a GET or a watch event. */
export function toTypedBody(body: Uint8Array, type: ItemType): Uint8Array {
  return hasEnvelope(body) ? body : formatEnvelope(type, body);
}

/** Bytes of the `ObjectMeta`. @throws {SyntaxError} when there is none */
export function findMeta(object: Uint8Array): Uint8Array {
  const meta = findField(toListBody(object), METADATA);
  if (meta === undefined) throw new SyntaxError("Cannot read an object: it has no metadata");
  return meta;
}

/** An item of a list of `meta/v1.PartialObjectMetadata`, whose only field has the same number. @throws {SyntaxError} */
export function toPartialMetadata(object: Uint8Array): Uint8Array {
  return formatField(METADATA, findMeta(object));
}

/** Reads the metadata of an object, whether it stands alone or lies in a list. @throws {SyntaxError} */
export function readObjectMeta(object: Uint8Array): ObjectMeta {
  const meta = { name: "", namespace: "", uid: "", resourceVersion: "" };
  const reader = new MessageReader(findMeta(object));
  while (reader.next()) {
    if (reader.is(META.name)) meta.name = reader.text();
    else if (reader.is(META.namespace)) meta.namespace = reader.text();
    else if (reader.is(META.uid)) meta.uid = reader.text();
    else if (reader.is(META.resourceVersion)) meta.resourceVersion = reader.text();
  }
  return meta;
}

/** Reads the labels of an object. @throws {SyntaxError} */
export function readLabels(object: Uint8Array): Record<string, string> {
  const labels: Record<string, string> = Object.create(null);
  const reader = new MessageReader(findMeta(object));
  while (reader.next()) {
    if (!reader.is(META.labels)) continue;
    let key = "";
    let value = "";
    const entry = new MessageReader(reader.bytes());
    while (entry.next()) {
      if (entry.is(ENTRY.key)) key = entry.text();
      else if (entry.is(ENTRY.value)) value = entry.text();
    }
    labels[key] = value;
  }
  return labels;
}

/** The object, which stands alone, with another resourceVersion and nothing else changed. @throws {SyntaxError} */
export function stampResourceVersion(object: Uint8Array, resourceVersion: string): Uint8Array {
  if (readObjectMeta(object).resourceVersion === resourceVersion) return object;
  const { type, raw } = parseEnvelope(object);
  const stamped = replaceField(raw, METADATA, (meta) =>
    formatField(
      METADATA,
      replaceField(meta, META.resourceVersion, () =>
        formatText(META.resourceVersion, resourceVersion)),
    ));
  return formatEnvelope(type, stamped);
}

function replaceField(
  message: Uint8Array,
  field: number,
  replace: (value: Uint8Array) => Uint8Array,
): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  const reader = new MessageReader(message);
  while (reader.next()) {
    if (!reader.is(field)) continue;
    parts.push(message.subarray(at, reader.start), replace(reader.bytes()));
    at = reader.to;
  }
  return concatBytes([...parts, message.subarray(at)]);
}

/** An object that only says where a watch stands: the rest of its metadata is empty. */
export function formatBookmarkObject(
  type: ItemType,
  resourceVersion: string,
  annotations: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = Object.entries(annotations).map(([key, value]) =>
    formatField(META.annotations, formatText(ENTRY.key, key), formatText(ENTRY.value, value))
  );
  // Go writes what is empty too, up to the fields that may be absent.
  const meta = [
    ...[META.name, META.generateName, META.namespace, META.selfLink, META.uid].map((field) =>
      formatText(field, "")
    ),
    formatText(META.resourceVersion, resourceVersion),
    formatNumber(META.generation, 0),
    formatField(META.creationTimestamp),
  ];
  return formatEnvelope(type, formatField(METADATA, ...meta, ...entries));
}
