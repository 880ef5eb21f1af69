import { concatBytes } from "../../src/kube/codec/json.ts";
import { utf8 } from "./arbitraries.ts";

/** A value to encode: a number is a varint, everything else has a length; a list repeats the field. */
export type WireValue = number | bigint | boolean | string | Uint8Array | WireMessage | WireValue[];

/** Field number -> value. */
export interface WireMessage {
  [number: number]: WireValue;
}

/** A message in protobuf: an independent, small encoder for tests of readers. */
export function encodeMessage(message: WireMessage): Uint8Array {
  return concatBytes([
    new Uint8Array(0),
    ...Object.entries(message).map(([number, value]) => encodeField(Number(number), value)),
  ]);
}

/** A whole object as Kubernetes sends it: `k8s\0` and an Unknown around it. */
export function encodeObject(apiVersion: string, kind: string, message: WireMessage): Uint8Array {
  const unknown = { 1: { 1: apiVersion, 2: kind }, 2: encodeMessage(message), 3: "", 4: "" };
  return concatBytes([utf8("k8s\0"), encodeMessage(unknown)]);
}

function encodeField(number: number, value: WireValue): Uint8Array {
  if (Array.isArray(value)) {
    return concatBytes([new Uint8Array(0), ...value.map((each) => encodeField(number, each))]);
  }
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return concatBytes([varint(number << 3), varint(value)]);
  }
  const bytes = typeof value === "string"
    ? utf8(value)
    : value instanceof Uint8Array
    ? value
    : encodeMessage(value);
  return concatBytes([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number | bigint | boolean): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
