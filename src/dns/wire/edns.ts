import type { ExtendedError } from "./rcode.ts";
import { TYPE } from "./record_type.ts";
import type { WireWriter } from "./wire_writer.ts";

/** What the OPT record of a message says (RFC 6891 6.1). */
export interface Edns {
  /** Largest UDP payload that its sender can take, as it stands there: values below 512 mean 512. */
  udpSizeBytes: number;
  version: number;
  /** The DO bit (RFC 3225). */
  dnssecOk: boolean;
  options: readonly EdnsOption[];
}

export interface EdnsOption {
  code: number;
  data: Uint8Array;
}

/** Option code of Extended DNS Errors (RFC 8914 2). */
export const OPTION_EDE = 15;

const DNSSEC_OK = 0x8000;
const NO_OPTIONS: readonly EdnsOption[] = [];

/** An OPT record as it was read: what it says, and its part of the rcode. */
export interface ReadEdns {
  edns: Edns;
  /** The upper 8 of the 12 bits of the rcode, in place. */
  rcodeBits: number;
}

/**
 * Reads an OPT record from its class on.
 *
 * @param at where its class lies; `dataStart` to `dataEnd` are its options
 * @throws {SyntaxError}
 */
export function readEdns(
  message: Uint8Array,
  at: number,
  dataStart: number,
  dataEnd: number,
): ReadEdns {
  const uint16 = (i: number) => message[i]! << 8 | message[i + 1]!;
  const edns: Edns = {
    udpSizeBytes: uint16(at),
    version: message[at + 3]!,
    dnssecOk: (uint16(at + 4) & DNSSEC_OK) !== 0,
    options: dataStart === dataEnd ? NO_OPTIONS : readOptions(message, dataStart, dataEnd),
  };
  return { edns, rcodeBits: message[at + 2]! << 4 };
}

function readOptions(message: Uint8Array, start: number, end: number): EdnsOption[] {
  const options: EdnsOption[] = [];
  for (let at = start; at < end;) {
    const dataStart = at + 4;
    const dataEnd = dataStart + (message[at + 2]! << 8 | message[at + 3]!);
    if (dataStart > end || dataEnd > end) {
      throw new SyntaxError(`Cannot read the OPT record: the option at byte ${at} is cut off`);
    }
    const code = message[at]! << 8 | message[at + 1]!;
    options.push({ code, data: message.slice(dataStart, dataEnd) });
    at = dataEnd;
  }
  return options;
}

/** Bytes of an OPT record without options. */
const OPT_BYTES = 11;
/** Bytes of one that has an extended error without a text. */
export const CODE_ALONE_BYTES = OPT_BYTES + 6;

/** The options that say `error` within `room` bytes of an OPT record: its text goes first, then all of it. */
export function extendedErrorOptions(error: ExtendedError, room: number): readonly EdnsOption[] {
  const left = room - CODE_ALONE_BYTES;
  return left < 0 ? NO_OPTIONS : [toEdeOption(error, left)];
}

/** Bytes that {@linkcode writeEdns} writes. */
export function ednsSize({ options }: Pick<Edns, "options">): number {
  return options.reduce((size, { data }) => size + 4 + data.length, OPT_BYTES);
}

/** Writes an OPT record with the upper bits of `rcode`. */
export function writeEdns(writer: WireWriter, edns: Edns, rcode: number): void {
  writer.uint8(0);
  writer.uint16(TYPE.OPT);
  writer.uint16(edns.udpSizeBytes);
  writer.uint8(rcode >> 4);
  writer.uint8(edns.version);
  writer.uint16(edns.dnssecOk ? DNSSEC_OK : 0);
  writer.uint16(ednsSize(edns) - OPT_BYTES);
  for (const { code, data } of edns.options) {
    writer.uint16(code);
    writer.uint16(data.length);
    writer.raw(data);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Longest text of an extended error, bytes: it is for a person who looks at one line. */
const MAX_EDE_TEXT_BYTES = 120;

/** The option that carries an extended error. A text longer than `maxTextBytes` is cut, between characters. */
export function toEdeOption(
  { code, text }: ExtendedError,
  maxTextBytes: number = MAX_EDE_TEXT_BYTES,
): EdnsOption {
  const bytes = encoder.encode(text);
  let end = Math.max(0, Math.min(bytes.length, maxTextBytes, MAX_EDE_TEXT_BYTES));
  // The second and later bytes of a character begin with the bits 10 (RFC 3629 3).
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return {
    code: OPTION_EDE,
    data: Uint8Array.of(code >> 8, code & 0xff, ...bytes.subarray(0, end)),
  };
}

/** The extended errors among the options of a message. */
export function extendedErrorsOf(edns: Edns | undefined): ExtendedError[] {
  return (edns?.options ?? []).flatMap(({ code, data }) => {
    if (code !== OPTION_EDE || data.length < 2) return [];
    return [{ code: data[0]! << 8 | data[1]!, text: decoder.decode(data.subarray(2)) }];
  });
}
