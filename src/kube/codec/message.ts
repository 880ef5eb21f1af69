/**
 * Kubernetes protobuf for messages of which a few fields matter: read by a table of field numbers, as
 * `generated.proto` of k8s.io/api gives them. What the table does not name is skipped.
 */

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

/** The envelope of `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`. */
const MAGIC = [0x6b, 0x38, 0x73, 0x00];
const TYPE_META: MessageTable = { 1: ["apiVersion", "string"], 2: ["kind", "string"] };
const TYPE_META_FIELD = 1;
const RAW_FIELD = 2;
/** `map<string, string>` is a repeated message of key and value. */
const MAP_ENTRY: MessageTable = { 1: ["key", "string"], 2: ["value", "string"] };
/** `Timestamp`: seconds and nanoseconds. */
const TIMESTAMP: MessageTable = { 1: ["seconds", "int"], 2: ["nanos", "int"] };

const decoder = new TextDecoder("utf-8", { fatal: true });

/** A whole object in Kubernetes protobuf, as JSON would show it. @throws {SyntaxError} */
export function readProtobufObject(
  bytes: Uint8Array,
  table: MessageTable,
): Record<string, unknown> {
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new SyntaxError(`Cannot read ${bytes.length} bytes of protobuf: no "k8s\\0" in front`);
  }
  let type: Record<string, unknown> = {};
  let raw: Uint8Array | undefined;
  for (const { number, value } of fieldsOf(bytes.subarray(MAGIC.length))) {
    if (typeof value === "bigint") continue;
    if (number === TYPE_META_FIELD) type = readMessage(value, TYPE_META);
    if (number === RAW_FIELD) raw = value;
  }
  if (raw === undefined) throw new SyntaxError("Cannot read an object: nothing is in its envelope");
  return { ...type, ...readMessage(raw, table) };
}

/** A message as JSON would show it: what is empty is left out. @throws {SyntaxError} */
export function readMessage(bytes: Uint8Array, table: MessageTable): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const { number, value } of fieldsOf(bytes)) {
    const [name, type] = table[number] ?? [];
    if (name === undefined || type === undefined) continue;
    const before = message[name];
    if (type === "map") {
      const { key = "", value: text = "" } = readMessage(bytesOf(value, name), MAP_ENTRY);
      message[name] = { ...before as object | undefined, [key as string]: text };
    } else if (Array.isArray(type)) {
      const element = readField(value, type[0] as FieldType, name);
      message[name] = [...before as unknown[] | undefined ?? [], element];
    } else {
      const read = readField(value, type as Exclude<FieldType, readonly unknown[]>, name);
      if (typeof read === "object") message[name] = { ...before as object | undefined, ...read };
      else if (read !== "" && read !== 0 && read !== false) message[name] = read;
      else delete message[name];
    }
  }
  return message;
}

function readField(value: bigint | Uint8Array, type: FieldType, name: string): unknown {
  switch (type) {
    case "string":
      return text(bytesOf(value, name));
    case "int":
      return Number(BigInt.asIntN(64, numberOf(value, name)));
    case "bool":
      return numberOf(value, name) !== 0n;
    case "time":
    case "micro-time":
      return formatTime(bytesOf(value, name), type);
    default:
      return readMessage(bytesOf(value, name), type as MessageTable);
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

/** The fields of a message in their order: a number, or the bytes of whatever has a length. */
function* fieldsOf(bytes: Uint8Array): Generator<{ number: number; value: bigint | Uint8Array }> {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new SyntaxError("Cannot read a message: it breaks off");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new SyntaxError("Cannot read a message: a number of more than 10 bytes");
  };
  const take = (length: number) => {
    if (length > bytes.length - at) throw new SyntaxError("Cannot read a message: it breaks off");
    return bytes.subarray(at, at += length);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: take(8) };
        break;
      case 2:
        yield { number, value: take(Number(varint())) };
        break;
      case 5:
        yield { number, value: take(4) };
        break;
      default:
        throw new SyntaxError(`Cannot read a message: wire type ${tag & 7n} at byte ${at}`);
    }
  }
}

function bytesOf(value: bigint | Uint8Array, name: string): Uint8Array {
  if (typeof value !== "bigint") return value;
  throw new SyntaxError(`Cannot read a message: "${name}" is a number`);
}

function numberOf(value: bigint | Uint8Array, name: string): bigint {
  if (typeof value === "bigint") return value;
  throw new SyntaxError(`Cannot read a message: "${name}" is no number`);
}

function text(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new SyntaxError("Cannot read a message: a text is not UTF-8", { cause: error });
  }
}
