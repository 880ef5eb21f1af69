import { messageOf, readWire, textOf, type WireMessage } from "./protobuf_wire.ts";

/** What an object is, whatever it was encoded as. */
export interface ObjectShape {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  /** Names of a list's items. */
  readonly items: readonly string[];
  /** Of a `Status`. */
  readonly reason: string;
}

/** A frame of a watch. */
export interface FrameShape {
  readonly type: string;
  readonly object: ObjectShape;
  /** Whether it is the bookmark that ends the initial events (KEP-3157). */
  readonly endsInitialEvents: boolean;
}

const PROTOBUF = "application/vnd.kubernetes.protobuf";
/** Begins every object of that media type. */
const MAGIC = new TextEncoder().encode("k8s\0");
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** `application/json` of `application/json;charset=utf-8`. */
export function mediaTypeOf(contentType: string): string {
  return contentType.split(";")[0]!.trim();
}

/** The shape of a body. */
export function shapeOf(contentType: string, body: Uint8Array): ObjectShape {
  if (mediaTypeOf(contentType) === PROTOBUF) return shapeOfProtobuf(body);
  return shapeOfJson(JSON.parse(new TextDecoder().decode(body)));
}

/** Splits the body of a watch into frames as it comes. */
export async function* readFrames(
  contentType: string,
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<FrameShape> {
  const isProtobuf = mediaTypeOf(contentType) === PROTOBUF;
  let rest = new Uint8Array();
  for await (const chunk of body) {
    rest = join(rest, chunk);
    for (;;) {
      const [start, end, next] = isProtobuf ? protobufFrame(rest) : jsonFrame(rest);
      if (end === undefined) break;
      const frame = rest.subarray(start, end);
      rest = rest.slice(next);
      yield isProtobuf ? frameOfProtobuf(frame) : frameOfJson(frame);
    }
  }
}

type Bounds = readonly [start: number, end: number, next: number] | readonly [];

/** Four bytes of length, big-endian, and then the event. */
function protobufFrame(bytes: Uint8Array): Bounds {
  if (bytes.length < 4) return [];
  const end = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return bytes.length < end ? [] : [4, end, end];
}

/** A line. */
function jsonFrame(bytes: Uint8Array): Bounds {
  const end = bytes.indexOf(10);
  return end < 0 ? [] : [0, end, end + 1];
}

function frameOfProtobuf(bytes: Uint8Array): FrameShape {
  const event = readWire(bytes);
  const object = messageOf(event, 2).get(1)?.at(-1) ?? new Uint8Array();
  const annotations = messageOf(messageOf(readWire(object.subarray(MAGIC.length)), 2), 1).get(12);
  return {
    type: textOf(event, 1),
    object: shapeOfProtobuf(object),
    endsInitialEvents: (annotations ?? []).some((entry) =>
      textOf(readWire(entry), 1) === INITIAL_EVENTS_END
    ),
  };
}

function frameOfJson(bytes: Uint8Array): FrameShape {
  const { type, object } = JSON.parse(new TextDecoder().decode(bytes));
  return {
    type,
    object: shapeOfJson(object),
    endsInitialEvents: object.metadata?.annotations?.[INITIAL_EVENTS_END] === "true",
  };
}

/** `k8s\0` and a `runtime.Unknown{1: TypeMeta, 2: raw}` (k8s.io/apimachinery, generated.proto). */
function shapeOfProtobuf(bytes: Uint8Array): ObjectShape {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new SyntaxError(`Cannot read an object: it begins with ${bytes.subarray(0, 4)}`);
  }
  const envelope = readWire(bytes.subarray(MAGIC.length));
  const type = messageOf(envelope, 1);
  const kind = textOf(type, 2);
  const raw = messageOf(envelope, 2);
  const isStatus = kind === "Status";
  const metadata = isStatus || kind.endsWith("List") ? new Map() : messageOf(raw, 1);
  return {
    apiVersion: textOf(type, 1),
    kind,
    ...namesOf(metadata),
    items: kind.endsWith("List")
      ? (raw.get(2) ?? []).map((item) => namesOf(messageOf(readWire(item), 1)).name)
      : [],
    reason: isStatus ? textOf(raw, 4) : "",
  };
}

function namesOf(metadata: WireMessage): { name: string; namespace: string } {
  return { name: textOf(metadata, 1), namespace: textOf(metadata, 3) };
}

interface JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly items?: readonly JsonObject[] | null;
  readonly reason?: string;
}

function shapeOfJson({ apiVersion, kind, metadata = {}, items, reason }: JsonObject): ObjectShape {
  return {
    ...{ apiVersion, kind },
    name: metadata.name ?? "",
    namespace: metadata.namespace ?? "",
    items: (items ?? []).map((item) => item.metadata?.name ?? ""),
    reason: kind === "Status" ? reason ?? "" : "",
  };
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
