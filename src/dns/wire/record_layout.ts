import { readName } from "./name.ts";
import { TYPE } from "./record_type.ts";
import { WireWriter } from "./wire_writer.ts";

/** Where the names lie in the RDATA of a type that is passed on as it is. */
export interface RecordLayout {
  /** Bytes before the names. */
  prefixBytes: number;
  /** Character strings between these bytes and the names (RFC 1035 3.3). */
  strings: number;
  names: number;
  /** Whether anything may follow the names. */
  rest: boolean;
}

const layout = (
  prefixBytes: number,
  names: number,
  { strings = 0, rest = false } = {},
): RecordLayout => ({ prefixBytes, strings, names, rest });

/**
 * Types whose names may be compressed (RFC 1035), or come compressed from old servers (RFC 3597 4, RFC 2672): a
 * pointer leads somewhere else in another message. In later types it is forbidden.
 */
const LAYOUTS: ReadonlyMap<number, RecordLayout> = new Map([
  [TYPE.MD, layout(0, 1)],
  [TYPE.MF, layout(0, 1)],
  [TYPE.MB, layout(0, 1)],
  [TYPE.MG, layout(0, 1)],
  [TYPE.MR, layout(0, 1)],
  [TYPE.MINFO, layout(0, 2)],
  [TYPE.RP, layout(0, 2)],
  [TYPE.AFSDB, layout(2, 1)],
  [TYPE.RT, layout(2, 1)],
  [TYPE.SIG, layout(18, 1, { rest: true })],
  [TYPE.PX, layout(2, 2)],
  [TYPE.NXT, layout(0, 1, { rest: true })],
  [TYPE.NAPTR, layout(4, 1, { strings: 3 })],
  [TYPE.KX, layout(2, 1)],
  [TYPE.DNAME, layout(0, 1)],
]);

/** Undefined for types whose RDATA holds no name, or none that is compressed. */
export function layoutOf(type: number): RecordLayout | undefined {
  return LAYOUTS.get(type);
}

/** The RDATA in `start` to `end` of a message, as it stands by itself: its names are whole. @throws {SyntaxError} */
export function readPlain(
  message: Uint8Array,
  start: number,
  end: number,
  { prefixBytes, strings, names, rest }: RecordLayout,
): Uint8Array {
  const broken = (what: string) =>
    new SyntaxError(`Cannot read the data at byte ${start} of a record: ${what}`);
  let at = start + prefixBytes;
  for (let left = strings; left > 0 && at < end; left--) at += 1 + message[at]!;
  if (at > end) throw broken("it is cut off");
  const writer = new WireWriter();
  writer.raw(message.subarray(start, at));
  for (let left = names; left > 0; left--) {
    const { name, end: next } = readName(message, at, "text");
    if (next > end) throw broken("a name leads out of it");
    writer.name(name, "plain");
    at = next;
  }
  if (at < end && !rest) throw broken(`${end - at} bytes are left over`);
  writer.raw(message.subarray(at, end));
  return writer.take();
}
