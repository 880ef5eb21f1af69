/**
 * Kubernetes protobuf for messages of which a few fields matter: read by a table of field numbers, as
 * `generated.proto` of k8s.io/api gives them. What the table does not name is skipped.
 */

import { parseEnvelope } from "./envelope.ts";
import { decodeText, MessageReader, VARINT } from "./wire.ts";

/** How a field is read: a scalar, a time, or a message by its own table; in a list: repeated. */
export type FieldType =
  | "string"
  | "int"
  | "bool"
  | "map"
  | "time"
  | "micro-time"
  | MessageTable
  | readonly ["string"]
  | readonly [MessageTable];

/** Field number -> JSON name and type. */
export interface MessageTable {
  readonly [number: number]: readonly [name: string, type: FieldType];
}

/** `map<string, string>` is a repeated message of key and value. */
const MAP_ENTRY: MessageTable = { 1: ["key", "string"], 2: ["value", "string"] };
/** `Timestamp`: seconds and nanoseconds. */
const TIMESTAMP: MessageTable = { 1: ["seconds", "int"], 2: ["nanos", "int"] };

/** A whole object in Kubernetes protobuf, as JSON would show it. @throws {SyntaxError} */
export function readProtobufObject(
  bytes: Uint8Array,
  table: MessageTable,
): Record<string, unknown> {
  const { type: { kind, apiVersion }, raw } = parseEnvelope(bytes);
  const type = { ...(apiVersion !== "" && { apiVersion }), ...(kind !== "" && { kind }) };
  return { ...type, ...readMessage(raw, table) };
}

/** A message as JSON would show it: what is empty is left out. @throws {SyntaxError} */
export function readMessage(bytes: Uint8Array, table: MessageTable): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  const reader = new MessageReader(bytes);
  while (reader.next()) {
    const [name, type] = table[reader.field] ?? [];
    if (name === undefined || type === undefined) continue;
    const before = message[name];
    if (type === "map") {
      const { key = "", value: text = "" } = readMessage(bytesOf(reader, name), MAP_ENTRY);
      message[name] = { ...before as object | undefined, [key as string]: text };
    } else if (Array.isArray(type)) {
      const element = readField(reader, type[0] as FieldType, name);
      message[name] = [...before as unknown[] | undefined ?? [], element];
    } else {
      const read = readField(reader, type as Exclude<FieldType, readonly unknown[]>, name);
      if (typeof read === "object") message[name] = { ...before as object | undefined, ...read };
      else if (read !== "" && read !== 0 && read !== false) message[name] = read;
      else delete message[name];
    }
  }
  return message;
}

function readField(reader: MessageReader, type: FieldType, name: string): unknown {
  switch (type) {
    case "string":
      return decodeText(bytesOf(reader, name));
    case "int":
      return Number(BigInt.asIntN(64, numberOf(reader, name)));
    case "bool":
      return numberOf(reader, name) !== 0n;
    case "time":
    case "micro-time":
      return formatTime(bytesOf(reader, name), type);
    default:
      return readMessage(bytesOf(reader, name), type as MessageTable);
  }
}

/** RFC 3339 as `metav1.Time` and `metav1.MicroTime` write it; empty for no time. */
function formatTime(bytes: Uint8Array, type: "time" | "micro-time"): string {
  if (bytes.length === 0) return "";
  const { seconds = 0, nanos = 0 } = readMessage(bytes, TIMESTAMP) as Record<string, number>;
  const date = new Date(seconds * 1_000);
  if (Number.isNaN(date.getTime())) throw new SyntaxError(`Cannot read the time ${seconds} s`);
  const whole = date.toISOString().slice(0, -".000Z".length);
  if (type === "time") return `${whole}Z`;
  return `${whole}.${String(Math.floor(nanos / 1_000)).padStart(6, "0")}Z`;
}

function bytesOf(reader: MessageReader, name: string): Uint8Array {
  if (reader.wire !== VARINT) return reader.bytes();
  throw new SyntaxError(`Cannot read a message: "${name}" is a number`);
}

function numberOf(reader: MessageReader, name: string): bigint {
  if (reader.wire === VARINT) return reader.bigint();
  throw new SyntaxError(`Cannot read a message: "${name}" is no number`);
}
