import { concatBytes } from "../json.ts";
import type { ItemType } from "../../object_meta.ts";
import { formatField, formatHeader, formatText, MessageReader } from "./wire.ts";

/** How every protobuf body of Kubernetes begins (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf`). */
export const MAGIC: Uint8Array = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);

/** Fields of `runtime.Unknown`, which follows the magic number. */
export const UNKNOWN = { typeMeta: 1, raw: 2, contentEncoding: 3, contentType: 4 } as const;

/** Fields of `runtime.TypeMeta`. */
const TYPE_META = { apiVersion: 1, kind: 2 } as const;

/** What Go writes behind the object: an empty `contentEncoding` and an empty `contentType`. */
export const ENVELOPE_END: Uint8Array = concatBytes([
  formatText(UNKNOWN.contentEncoding, ""),
  formatText(UNKNOWN.contentType, ""),
]);

/** An object that stands alone: its type and its message. */
export interface Envelope {
  type: ItemType;
  raw: Uint8Array;
}

/**
 * Whether the bytes stand alone, with an envelope. An item of a list has none, and can't begin like one: to
 * it the magic number would be a group.
 */
export function hasEnvelope(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/** Reads `runtime.TypeMeta`. @throws {SyntaxError} */
export function parseTypeMeta(bytes: Uint8Array): ItemType {
  const type = { kind: "", apiVersion: "" };
  const reader = new MessageReader(bytes);
  while (reader.next()) {
    if (reader.is(TYPE_META.apiVersion)) type.apiVersion = reader.text();
    else if (reader.is(TYPE_META.kind)) type.kind = reader.text();
  }
  return type;
}

/** Opens an envelope. @throws {SyntaxError} when there is none, or nothing that can be read in it */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  if (!hasEnvelope(bytes)) {
    throw new SyntaxError(
      `Cannot read an object of ${bytes.length} bytes: it is not Kubernetes protobuf`,
    );
  }
  let type: ItemType | undefined;
  let raw: Uint8Array | undefined;
  const reader = new MessageReader(bytes.subarray(MAGIC.length));
  while (reader.next()) {
    if (reader.is(UNKNOWN.typeMeta)) type = parseTypeMeta(reader.bytes());
    else if (reader.is(UNKNOWN.raw)) raw = reader.bytes();
    else if (reader.is(UNKNOWN.contentEncoding)) checkContentEncoding(reader.text());
  }
  if (type !== undefined && raw !== undefined) return { type, raw };
  throw new SyntaxError("Cannot read an object: its envelope breaks off");
}

/** @throws {SyntaxError} when an object is compressed or otherwise hidden */
export function checkContentEncoding(contentEncoding: string): void {
  if (contentEncoding === "") return;
  throw new SyntaxError(`Cannot read an object: its content encoding is ${contentEncoding}`);
}

/** The envelope before an object of so many bytes, from the magic number on. */
export function formatEnvelopeStart({ kind, apiVersion }: ItemType, length: number): Uint8Array {
  const type = formatField(
    UNKNOWN.typeMeta,
    formatText(TYPE_META.apiVersion, apiVersion),
    formatText(TYPE_META.kind, kind),
  );
  return concatBytes([MAGIC, type, formatHeader(UNKNOWN.raw, length)]);
}

/** Puts a message in its envelope, byte for byte as Go does. */
export function formatEnvelope(type: ItemType, raw: Uint8Array): Uint8Array {
  return concatBytes([formatEnvelopeStart(type, raw.length), raw, ENVELOPE_END]);
}
