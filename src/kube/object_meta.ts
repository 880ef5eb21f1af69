import { concatBytes, formatJson, parseJson, scanObject } from "./codec/json.ts";

/** What the agent reads of an object: its place, its identity and its version. */
export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  annotations?: Record<string, string>;
}

/** An object as it lies in a list: its key in the collection, its version and its bytes. */
export interface StoredObject {
  /** `namespace/name`, or `name`: sorts as the keys of etcd do. */
  key: string;
  uid: string;
  resourceVersion: string;
  /** As in a list: in JSON built-in kinds are without `kind` and `apiVersion`. */
  body: Uint8Array;
}

/** The key of an object in its collection. */
export function objectKey(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** Reads the metadata of an object, or of the object in a row of a Table. @throws {SyntaxError} */
export function readObjectMeta(body: Uint8Array): ObjectMeta {
  const fields = scanObject(body);
  const range = fields.get("metadata");
  if (range !== undefined) return toMeta(parseJson(body.subarray(...range)));
  const row = fields.get("object");
  if (row !== undefined && fields.has("cells")) return readObjectMeta(body.subarray(...row));
  throw new SyntaxError("Cannot read an object: it has no metadata");
}

function toMeta(value: unknown): ObjectMeta {
  const { name, namespace, uid, resourceVersion, annotations } = (value ?? {}) as Partial<
    ObjectMeta
  >;
  return {
    name: String(name ?? ""),
    namespace: String(namespace ?? ""),
    uid: String(uid ?? ""),
    resourceVersion: String(resourceVersion ?? ""),
    annotations,
  };
}

/** The type of the items of a list: `PodList` holds `Pod`. */
export function itemTypeOf(list: ItemType): ItemType {
  return { kind: list.kind.replace(/List$/, ""), apiVersion: list.apiVersion };
}

/** Kind and apiVersion of the objects in a list. */
export interface ItemType {
  kind: string;
  apiVersion: string;
}

/**
 * The item as it stands alone (in a GET or a watch event): with `kind` and `apiVersion` in front, which
 * the items of built-in lists leave out and those of custom resources carry.
 */
export function toTypedBody(body: Uint8Array, type: ItemType): Uint8Array {
  if (scanObject(body).has("kind")) return body;
  const prefix = formatJson({ kind: type.kind, apiVersion: type.apiVersion });
  return concatBytes([prefix.subarray(0, -1), COMMA, body.subarray(body.indexOf(0x7b) + 1)]);
}

/**
 * The object of a watch event as it would lie in a list. Built-in kinds are Go structs and begin with
 * `kind`; custom resources are maps, which Go sorts (`apiVersion` first), and keep both in lists too, as
 * PartialObjectMetadata do.
 */
export function toListBody(body: Uint8Array): Uint8Array {
  const fields = scanObject(body);
  if (fields.keys().next().value !== "kind") return body;
  if (parseJson(body.subarray(...fields.get("kind")!)) === "PartialObjectMetadata") return body;
  const parts: Uint8Array[] = [];
  for (const [key, [start, end]] of fields) {
    if (key === "kind" || key === "apiVersion") continue;
    parts.push(
      parts.length === 0 ? OPEN : COMMA,
      formatJson(key),
      COLON,
      body.subarray(start, end),
    );
  }
  return concatBytes([...(parts.length === 0 ? [OPEN] : parts), CLOSE]);
}

const [OPEN, CLOSE, COMMA, COLON] = ["{", "}", ",", ":"].map((text) =>
  new TextEncoder().encode(text)
) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
