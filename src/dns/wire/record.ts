import { formatIp, parseIp } from "./ip_address.ts";
import { readName } from "./name.ts";
import { layoutOf, readPlain } from "./record_layout.ts";
import { CLASS_IN, TYPE } from "./record_type.ts";
import type { WireWriter } from "./wire_writer.ts";

/** A resource record (RFC 1035 3.2.1). */
export interface ResourceRecord {
  /** Without the final dot; case as it came. */
  name: string;
  type: number;
  class: number;
  /** 0 to 2^31 - 1 (RFC 2181 8). */
  ttlSeconds: number;
  data: RecordData;
}

/** What a record says. Types that are not known here, and classes other than IN, are `opaque`: without pointers. */
export type RecordData =
  | { kind: "address"; address: string }
  | { kind: "name"; target: string }
  | { kind: "mx"; preference: number; exchange: string }
  | { kind: "srv"; priority: number; weight: number; port: number; target: string }
  | { kind: "txt"; strings: Uint8Array[] }
  | SoaData
  | { kind: "opaque"; bytes: Uint8Array };

/** RFC 1035 3.3.13; times in seconds. */
export interface SoaData {
  kind: "soa";
  primary: string;
  mailbox: string;
  serial: number;
  refresh: number;
  retry: number;
  expire: number;
  /** TTL of negative answers (RFC 2308 4). */
  minimum: number;
}

/** Which kind of RDATA a type has in class IN. */
function kindOf(type: number): RecordData["kind"] {
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA:
      return "address";
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
      return "name";
    case TYPE.MX:
      return "mx";
    case TYPE.SRV:
      return "srv";
    case TYPE.TXT:
      return "txt";
    case TYPE.SOA:
      return "soa";
    default:
      return "opaque";
  }
}

/** Reads the RDATA in `start` to `end` of a message; names in it are whole. @throws {SyntaxError} */
export function readRecordData(
  message: Uint8Array,
  start: number,
  end: number,
  type: number,
  recordClass: number,
): RecordData {
  const kind = recordClass === CLASS_IN ? kindOf(type) : "opaque";
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = start;
  const need = (bytes: number) => {
    if (at + bytes > end) throw broken(type, start, "it is cut off");
    at += bytes;
    return at - bytes;
  };
  const uint16 = () => view.getUint16(need(2));
  const uint32 = () => view.getUint32(need(4));
  const name = () => {
    const read = readName(message, at, "text");
    if (read.end > end) throw broken(type, start, "a name leads out of it");
    at = read.end;
    return read.name;
  };
  const whole = (data: RecordData): RecordData => {
    if (at !== end) throw broken(type, start, `${end - at} bytes are left over`);
    return data;
  };
  switch (kind) {
    case "address": {
      const from = need(type === TYPE.A ? 4 : 16);
      return whole({ kind, address: formatIp(message.subarray(from, at)) });
    }
    case "name":
      return whole({ kind, target: name() });
    case "mx":
      return whole({ kind, preference: uint16(), exchange: name() });
    case "srv":
      return whole({ kind, priority: uint16(), weight: uint16(), port: uint16(), target: name() });
    case "txt": {
      const strings: Uint8Array[] = [];
      while (at < end) {
        const length = message[need(1)]!;
        const from = need(length);
        strings.push(message.slice(from, at));
      }
      // At least one string, which may be empty (RFC 1035 3.3.14).
      if (strings.length === 0) throw broken(type, start, "it is cut off");
      return { kind, strings };
    }
    case "soa":
      return whole({
        kind,
        primary: name(),
        mailbox: name(),
        serial: uint32(),
        refresh: uint32(),
        retry: uint32(),
        expire: uint32(),
        minimum: uint32(),
      });
    case "opaque": {
      const layout = recordClass === CLASS_IN ? layoutOf(type) : undefined;
      const bytes = layout === undefined
        ? message.slice(start, end)
        : readPlain(message, start, end, layout);
      return { kind, bytes };
    }
    default:
      return kind satisfies never;
  }
}

/** Writes a whole record. @throws {SyntaxError} for an address or name that is none */
export function writeRecord(writer: WireWriter, record: ResourceRecord): void {
  writer.name(record.name);
  writer.uint16(record.type);
  writer.uint16(record.class);
  writer.uint32(record.ttlSeconds);
  const start = writer.length;
  writer.uint16(0);
  writeRecordData(writer, record.type, record.data);
  const size = writer.length - start - 2;
  if (size > 0xffff) throw new SyntaxError(`Cannot write a record: its data has ${size} bytes`);
  writer.patchUint16(start, size);
}

function writeRecordData(writer: WireWriter, type: number, data: RecordData): void {
  switch (data.kind) {
    case "address":
      return writer.raw(addressBytes(type, data.address));
    case "name":
      return writer.name(data.target);
    case "mx":
      writer.uint16(data.preference);
      return writer.name(data.exchange);
    case "srv":
      writer.uint16(data.priority);
      writer.uint16(data.weight);
      writer.uint16(data.port);
      return writer.name(data.target, "plain");
    case "txt":
      for (const string of data.strings) {
        if (string.length > 255) throw new SyntaxError("Cannot write a TXT string of > 255 bytes");
        writer.uint8(string.length);
        writer.raw(string);
      }
      return;
    case "soa":
      writer.name(data.primary);
      writer.name(data.mailbox);
      for (const key of ["serial", "refresh", "retry", "expire", "minimum"] as const) {
        writer.uint32(data[key]);
      }
      return;
    case "opaque":
      return writer.raw(data.bytes);
    default:
      return data satisfies never;
  }
}

function addressBytes(type: number, address: string): number[] {
  const bytes = parseIp(address);
  if (bytes?.length === 4 && type === TYPE.AAAA) {
    return [...new Array<number>(10).fill(0), 0xff, 0xff, ...bytes];
  }
  if (bytes === undefined || bytes.length !== (type === TYPE.A ? 4 : 16)) {
    throw new SyntaxError(
      `Cannot write a record of type ${type}: "${address}" is no address of it`,
    );
  }
  return bytes;
}

function broken(type: number, at: number, what: string): SyntaxError {
  return new SyntaxError(`Cannot read the data at byte ${at} of a record of type ${type}: ${what}`);
}
