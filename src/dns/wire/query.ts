import { type Edns, readEdns } from "./edns.ts";
import { FLAG, HEADER_BYTES } from "./message.ts";
import { readName, skipName } from "./name.ts";
import { RCODE } from "./rcode.ts";
import { TYPE } from "./record_type.ts";

/** A question that a client asked, with what its reply takes over from its packet. */
export interface Query {
  /** As it came: the question is sent back byte for byte, its case too. */
  packet: Uint8Array;
  id: number;
  recursionDesired: boolean;
  checkingDisabled: boolean;
  /** In lower case: see `name.ts`. */
  name: string;
  type: number;
  class: number;
  /** Where the question ends in `packet`. */
  questionEnd: number;
  edns?: Edns;
}

/** What to do with a packet that came. */
export type Received =
  | { state: "query"; query: Query }
  /** Answer it with {@linkcode formatRejection}. */
  | { state: "rejected"; rcode: number; why: string; edns?: Edns }
  /** It must not be answered: two servers would answer each other for ever. */
  | { state: "dropped"; why: string };

/** Records beside the question that a query may have: an IXFR's SOA, OPT, TSIG. */
const MAX_RECORDS = 4;

/** Reads a packet of a client in one pass. Never throws. */
export function receiveQuery(packet: Uint8Array): Received {
  if (packet.length < HEADER_BYTES) return { state: "dropped", why: "shorter than a header" };
  const uint16 = (at: number) => packet[at]! << 8 | packet[at + 1]!;
  const flags = uint16(2);
  if ((flags & FLAG.RESPONSE) !== 0) return { state: "dropped", why: "a response" };
  if ((flags >> 11 & 0xf) !== 0) {
    return { state: "rejected", rcode: RCODE.NOTIMP, why: `opcode ${flags >> 11 & 0xf}` };
  }
  if (uint16(4) !== 1) {
    return { state: "rejected", rcode: RCODE.FORMERR, why: `${uint16(4)} questions` };
  }
  try {
    const { name, end } = readName(packet, HEADER_BYTES, "key");
    const questionEnd = end + 4;
    if (questionEnd > packet.length) throw new SyntaxError("the question is cut off");
    const edns = readEdnsOf(packet, questionEnd);
    if (edns !== undefined && edns.version !== 0) {
      const why = `EDNS version ${edns.version}`;
      return { state: "rejected", rcode: RCODE.BADVERS, why, edns };
    }
    const query: Query = {
      packet,
      id: uint16(0),
      recursionDesired: (flags & FLAG.RECURSION_DESIRED) !== 0,
      checkingDisabled: (flags & FLAG.CHECKING_DISABLED) !== 0,
      name,
      type: uint16(end),
      class: uint16(end + 2),
      questionEnd,
      edns,
    };
    return { state: "query", query };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { state: "rejected", rcode: RCODE.FORMERR, why: error.message };
  }
}

/** The OPT record behind the question; whatever else is there is skipped. @throws {SyntaxError} */
function readEdnsOf(packet: Uint8Array, start: number): Edns | undefined {
  const uint16 = (at: number) => packet[at]! << 8 | packet[at + 1]!;
  const before = uint16(6) + uint16(8);
  const count = before + uint16(10);
  if (count > MAX_RECORDS) throw new SyntaxError(`there are ${count} records beside the question`);
  let found: Edns | undefined;
  for (let [i, at] = [0, start]; i < count; i++) {
    const end = skipName(packet, at);
    const dataStart = end + 10;
    if (dataStart > packet.length) throw new SyntaxError("a record is cut off");
    const dataEnd = dataStart + uint16(end + 8);
    if (dataEnd > packet.length) throw new SyntaxError("a record is cut off");
    if (uint16(end) === TYPE.OPT) {
      if (i < before || found !== undefined || end !== at + 1) {
        throw new SyntaxError(
          "the OPT record is not the only one, at the root, in the last section",
        );
      }
      found = readEdns(packet, end + 2, dataStart, dataEnd).edns;
    }
    at = dataEnd;
  }
  return found;
}
