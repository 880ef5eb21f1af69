import fc from "fast-check";
import { label, utf8 } from "./arbitraries.ts";

/** The value of a field: a text, bytes, a number (a varint), or a message. */
export type Value = string | number | bigint | Uint8Array | Message;

/** A message as its fields, in their order. */
export type Message = readonly (readonly [field: number, value: Value])[];

/** Another way to write varints than the agent's: by BigInt. */
function varint(value: number | bigint): number[] {
  const bits = BigInt.asUintN(64, BigInt(value)).toString(2);
  const groups = bits.padStart(Math.ceil(bits.length / 7) * 7, "0").match(/.{7}/g)!.reverse();
  return groups.map((group, i) => parseInt(group, 2) | (i < groups.length - 1 ? 0x80 : 0));
}

/** Bytes of a message: the smallest encoder there is, for tests to compare with. */
export function encode(message: Message): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(message.flatMap(([field, value]) => {
    if (typeof value === "number" || typeof value === "bigint") {
      return [...varint(field * 8), ...varint(value)];
    }
    const bytes = typeof value === "string"
      ? utf8(value)
      : value instanceof Uint8Array
      ? value
      : encode(value);
    return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
  }));
}

/** A value of a {@linkcode WireMessage}; a list repeats the field. */
export type WireValue = number | bigint | boolean | string | Uint8Array | WireMessage | WireValue[];

/** A message as its fields by their numbers, where their order does not matter. */
export interface WireMessage {
  [field: number]: WireValue;
}

/** Bytes of a {@linkcode WireMessage}. */
export function encodeMessage(message: WireMessage): Uint8Array<ArrayBuffer> {
  return encode(
    Object.entries(message).flatMap(([field, value]) => toFields(Number(field), value)),
  );
}

function toFields(field: number, value: WireValue): (readonly [number, Value])[] {
  if (Array.isArray(value)) return value.flatMap((each) => toFields(field, each));
  if (typeof value === "boolean") return [[field, Number(value)]];
  const isMessage = typeof value === "object" && !(value instanceof Uint8Array);
  return [[field, isMessage ? encodeMessage(value) : value]];
}

/** A whole object as Kubernetes sends it. */
export function encodeObject(
  apiVersion: string,
  kind: string,
  message: WireMessage,
): Uint8Array<ArrayBuffer> {
  return envelope(apiVersion, kind, encodeMessage(message));
}

/** A message in the envelope of Kubernetes, with the empty fields that Go writes. */
export function envelope(
  apiVersion: string,
  kind: string,
  raw: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const unknown = encode([[1, [[1, apiVersion], [2, kind]]], [2, raw], [3, ""], [4, ""]]);
  return Uint8Array.from([...utf8("k8s\0"), ...unknown]);
}

/** Metadata as a test reads them. */
export interface Meta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  labels: Record<string, string>;
}

/** `ObjectMeta` with the empty fields that Go writes, and some that the agent has no use for. */
export function encodeMeta(meta: Partial<Meta>): Message {
  const { name = "", namespace = "", uid = "", resourceVersion = "", labels = {} } = meta;
  return [
    [1, name],
    [2, ""],
    [3, namespace],
    [4, ""],
    [5, uid],
    [6, resourceVersion],
    [7, 0],
    [8, [[1, 1_790_000_000], [2, 0]]],
    ...Object.entries(labels).map(([key, value]): [number, Value] => [11, [[1, key], [2, value]]]),
    [17, [[1, "kubelet"], [7, [[1, '{"f:metadata":{}}']]]]],
  ];
}

/** A list as kube-apiserver writes it. */
export function encodeList(
  list: { kind?: string; apiVersion?: string; resourceVersion?: string; token?: string },
  items: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const { kind = "PodList", apiVersion = "v1", resourceVersion = "7", token = "" } = list;
  const meta: Message = [[1, ""], [2, resourceVersion], [3, token]];
  const raw: Message = [[1, meta], ...items.map((item): [number, Value] => [2, item])];
  return envelope(apiVersion, kind, encode(raw));
}

/** Bytes of a hexadecimal dump. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/g)!, (byte) => parseInt(byte, 16));
}

/** The metadata of some object. */
export const anyMeta: fc.Arbitrary<Meta> = fc.record({
  name: label,
  namespace: fc.oneof(fc.constant(""), label),
  uid: fc.uuid(),
  resourceVersion: fc.stringMatching(/^[1-9][0-9]{0,20}$/),
  labels: fc.dictionary(label, fc.string({ maxLength: 5 }), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
}, { noNullPrototype: true });

/** Fields of any kind: what an object holds behind its metadata. */
export const anyFields: fc.Arbitrary<Message> = fc.array(
  fc.tuple(
    fc.oneof(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 2, max: 2 ** 28 })),
    fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.nat(),
      fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 50, -1),
      fc.uint8Array({ maxLength: 300 }),
    ),
  ),
  { maxLength: 4 },
);

/** Objects as they lie in a list, beside their metadata. */
export const anyItem: fc.Arbitrary<{ meta: Meta; body: Uint8Array<ArrayBuffer> }> = fc.tuple(
  anyMeta,
  anyFields,
)
  .map(([meta, fields]) => ({ meta, body: encode([[1, encodeMeta(meta)], ...fields]) }));

/** The fields of a message, by another hand than the agent's: numbers as BigInt, all else as bytes. */
export function decode(bytes: Uint8Array): { field: number; value: bigint | Uint8Array }[] {
  const fields: { field: number; value: bigint | Uint8Array }[] = [];
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`a varint ends behind ${bytes.length} bytes`);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const field = Number(tag >> 3n);
    if ((tag & 7n) === 0n) {
      fields.push({ field, value: next() });
      continue;
    }
    if ((tag & 7n) !== 2n) throw new Error(`field ${field} has the layout ${tag & 7n}`);
    const length = Number(next());
    if (length > bytes.length - at) throw new Error(`field ${field} ends behind the message`);
    fields.push({ field, value: bytes.subarray(at, at += length) });
  }
  return fields;
}

/** The values of a message's fields of that number, as bytes. */
export function fieldsOf(bytes: Uint8Array, field: number): Uint8Array[] {
  return decode(bytes).filter((each) => each.field === field).map(({ value }) =>
    value as Uint8Array
  );
}

/** The text of a field at a path of numbers; empty where there is none. */
export function textAt(bytes: Uint8Array, ...path: readonly number[]): string {
  const found = path.reduce<Uint8Array | undefined>(
    (inner, field) => inner && fieldsOf(inner, field)[0],
    bytes,
  );
  return found === undefined ? "" : new TextDecoder().decode(found);
}

/** What stands in an envelope: its kind and its message. */
export function openEnvelope(bytes: Uint8Array): { type: string; raw: Uint8Array } {
  const magic = new TextDecoder().decode(bytes.subarray(0, 4));
  if (magic !== "k8s\0") throw new Error(`no Kubernetes protobuf: it begins with ${magic}`);
  const unknown = bytes.subarray(4);
  return {
    type: `${textAt(unknown, 1, 1)} ${textAt(unknown, 1, 2)}`,
    raw: fieldsOf(unknown, 2)[0] ?? new Uint8Array(0),
  };
}
