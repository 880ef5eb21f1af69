/**
 * The wire format of Protocol Buffers, as much of it as Kubernetes uses
 * (https://protobuf.dev/programming-guides/encoding/). Nothing is known of schemas here.
 */
import { concatBytes } from "../json.ts";

/** How a field's value is laid out. Groups (3 and 4) are not used by Kubernetes and not read. */
export const VARINT = 0;
export const FIXED64 = 1;
/** Length-delimited: texts, bytes, messages. */
export const LEN = 2;
export const FIXED32 = 5;

/** A varint has at most so many bytes: 64 bits by 7. */
const MAX_VARINT_BYTES = 10;
/** Largest field number of the format. */
const MAX_FIELD = 2 ** 29 - 1;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** Gathers one varint byte by byte, so that it may be cut anywhere. Values above 2^53 lose precision. */
export class VarintReader {
  #value = 0;
  #scale = 1;
  #count = 0;

  /** Whether a varint has begun and not ended. */
  get isOpen(): boolean {
    return this.#count > 0;
  }

  /** The value once `byte` completes it, else undefined. @throws {SyntaxError} when it never ends */
  push(byte: number): number | undefined {
    this.#value += (byte & 0x7f) * this.#scale;
    this.#scale *= 128;
    if (++this.#count > MAX_VARINT_BYTES) {
      throw new SyntaxError("Cannot read a varint: it is too long");
    }
    if (byte & 0x80) return undefined;
    const value = this.#value;
    this.#value = 0;
    this.#scale = 1;
    this.#count = 0;
    return value;
  }
}

/** Field number and layout of a tag. @throws {SyntaxError} on what the format does not have */
export function parseTag(tag: number): { field: number; wire: number } {
  const wire = tag % 8;
  const field = (tag - wire) / 8;
  if (field < 1 || field > MAX_FIELD || !(wire <= LEN || wire === FIXED32)) {
    throw new SyntaxError(`Cannot read a field: ${tag} is no tag`);
  }
  return { field, wire };
}

/** Goes through the fields of one message in memory. */
export class MessageReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Of the current field. */
  field = 0;
  wire = 0;
  /** Value of a varint field; above 2^53 not exact. */
  value = 0;
  /** Where the current field begins, its tag included. */
  start = 0;
  /** Where its value begins and ends. */
  from = 0;
  to = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Goes to the next field; false at the end. @throws {SyntaxError} */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false;
    this.start = this.#at;
    const { field, wire } = parseTag(this.#varint());
    this.field = field;
    this.wire = wire;
    if (wire === VARINT) {
      this.from = this.#at;
      this.value = this.#varint();
    } else {
      const length = wire === LEN ? this.#varint() : wire === FIXED32 ? 4 : 8;
      this.from = this.#at;
      if (length > this.#bytes.length - this.#at) {
        throw new SyntaxError(
          `Cannot read a message of ${this.#bytes.length} bytes: field ${field} ends behind it`,
        );
      }
      this.#at += length;
    }
    this.to = this.#at;
    return true;
  }

  /** Whether the current field is that one, with a length. */
  is(field: number): boolean {
    return this.field === field && this.wire === LEN;
  }

  /** The bytes of the current field's value. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(this.from, this.to);
  }

  /** The exact value of a varint field, its 64 bits without a sign. */
  bigint(): bigint {
    const value = this.bytes().reduceRight((sum, byte) => sum << 7n | BigInt(byte & 0x7f), 0n);
    return BigInt.asUintN(64, value);
  }

  /** The current field's value as text. @throws {SyntaxError} when it is not UTF-8 */
  text(): string {
    return decodeText(this.bytes());
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new SyntaxError(
      `Cannot read a message of ${this.#bytes.length} bytes: a varint is broken`,
    );
  }
}

/** UTF-8 bytes as text. @throws {SyntaxError} */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new SyntaxError("not UTF-8", { cause: error });
  }
}

/** The last of a message's fields of that number; undefined if there is none. @throws {SyntaxError} */
export function findField(message: Uint8Array, field: number): Uint8Array | undefined {
  const reader = new MessageReader(message);
  let found: Uint8Array | undefined;
  while (reader.next()) if (reader.is(field)) found = reader.bytes();
  return found;
}

/** Bytes of a varint. */
export function formatVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Tag and length of a field whose value of so many bytes follows. */
export function formatHeader(field: number, length: number): Uint8Array {
  return concatBytes([formatVarint(field * 8 + LEN), formatVarint(length)]);
}

/** A field that holds a message or bytes, in parts. */
export function formatField(field: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concatBytes([formatHeader(field, length), ...parts]);
}

/** A field that holds a text. */
export function formatText(field: number, text: string): Uint8Array {
  return formatField(field, encoder.encode(text));
}

/** A field that holds a whole number that is not negative. */
export function formatNumber(field: number, value: number): Uint8Array {
  return concatBytes([formatVarint(field * 8 + VARINT), formatVarint(value)]);
}
