import { type Edns, ednsSize, readEdns, writeEdns } from "./edns.ts";
import { readName } from "./name.ts";
import { readRecordData, type ResourceRecord, writeRecord } from "./record.ts";
import { TYPE } from "./record_type.ts";
import { WireWriter } from "./wire_writer.ts";

/** A whole message (RFC 1035 4). The OPT record is `edns`, not one of `additionals`. */
export interface Message {
  id: number;
  response: boolean;
  opcode: number;
  authoritative: boolean;
  truncated: boolean;
  recursionDesired: boolean;
  recursionAvailable: boolean;
  authenticData: boolean;
  checkingDisabled: boolean;
  /** All 12 bits; above 15 only with `edns`. */
  rcode: number;
  questions: Question[];
  answers: ResourceRecord[];
  authorities: ResourceRecord[];
  additionals: ResourceRecord[];
  edns?: Edns;
}

export interface Question {
  name: string;
  type: number;
  class: number;
}

/** A message with nothing set but what is given: `createMessage({ questions: […] })` is a query. */
export function createMessage(fields: Partial<Message>): Message {
  return {
    id: 0,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
    ...fields,
  };
}

/** Bits of the second half of the header. */
export const FLAG = {
  RESPONSE: 0x8000,
  AUTHORITATIVE: 0x0400,
  TRUNCATED: 0x0200,
  RECURSION_DESIRED: 0x0100,
  RECURSION_AVAILABLE: 0x0080,
  AUTHENTIC_DATA: 0x0020,
  CHECKING_DISABLED: 0x0010,
} as const;

export const HEADER_BYTES = 12;
/** What the length before a message on TCP can count to (RFC 1035 4.2.2). */
export const MAX_MESSAGE_BYTES = 0xffff;
/** A record is at least a root name, type, class, TTL and length: more of them don't fit. */
const MIN_RECORD_BYTES = 11;
const MIN_QUESTION_BYTES = 5;

/** Reads a message. Bytes behind its last record are ignored. @throws {SyntaxError} */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length < HEADER_BYTES) throw broken(`it has ${bytes.length} bytes`);
  if (bytes.length > MAX_MESSAGE_BYTES) throw broken(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const counts = [4, 6, 8, 10].map((at) => view.getUint16(at));
  const [questionCount = 0, ...recordCounts] = counts;
  const least = recordCounts.reduce((sum, count) => sum + count * MIN_RECORD_BYTES, HEADER_BYTES) +
    questionCount * MIN_QUESTION_BYTES;
  if (least > bytes.length) throw broken("it says to hold more records than fit into it");

  const flags = view.getUint16(2);
  const message = createMessage({
    id: view.getUint16(0),
    response: (flags & FLAG.RESPONSE) !== 0,
    opcode: (flags >> 11) & 0xf,
    authoritative: (flags & FLAG.AUTHORITATIVE) !== 0,
    truncated: (flags & FLAG.TRUNCATED) !== 0,
    recursionDesired: (flags & FLAG.RECURSION_DESIRED) !== 0,
    recursionAvailable: (flags & FLAG.RECURSION_AVAILABLE) !== 0,
    authenticData: (flags & FLAG.AUTHENTIC_DATA) !== 0,
    checkingDisabled: (flags & FLAG.CHECKING_DISABLED) !== 0,
    rcode: flags & 0xf,
  });
  let at = HEADER_BYTES;
  for (let i = 0; i < questionCount; i++) {
    const { name, end } = readName(bytes, at, "text");
    if (end + 4 > bytes.length) throw broken("a question is cut off");
    message.questions.push({ name, type: view.getUint16(end), class: view.getUint16(end + 2) });
    at = end + 4;
  }
  const sections = [message.answers, message.authorities, message.additionals];
  for (const [i, section] of sections.entries()) {
    for (let left = recordCounts[i]!; left > 0; left--) {
      const { name, end } = readName(bytes, at, "text");
      const start = end + 10;
      if (start > bytes.length) throw broken("a record is cut off");
      const [type, recordClass] = [view.getUint16(end), view.getUint16(end + 2)];
      at = start + view.getUint16(end + 8);
      if (at > bytes.length) throw broken("a record is cut off");
      if (type === TYPE.OPT) {
        if (section !== message.additionals || message.edns !== undefined || name !== "") {
          throw broken("its OPT record is not the only one, at the root, in the last section");
        }
        const { edns, rcodeBits } = readEdns(bytes, end + 2, start, at);
        message.edns = edns;
        message.rcode |= rcodeBits;
        continue;
      }
      const ttl = view.getUint32(end + 4);
      section.push({
        name,
        type,
        class: recordClass,
        // One with the highest bit set counts as 0 (RFC 2181 8).
        ttlSeconds: ttl >= 0x8000_0000 ? 0 : ttl,
        data: readRecordData(bytes, start, at, type, recordClass),
      });
    }
  }
  return message;
}

/**
 * The bytes of a message, at most `limit` of them: additional records go first, all of them, for a part
 * of an RRset must not look like the whole (RFC 2181 9); then the last of the others go and TC is set.
 * `edns` is always last and always there.
 *
 * @throws {SyntaxError} for a record that can't be written
 */
export function encodeMessage(
  message: Message,
  limit: number = MAX_MESSAGE_BYTES,
): Uint8Array<ArrayBuffer> {
  const { edns } = message;
  const writer = new WireWriter();
  const room = limit - (edns === undefined ? 0 : ednsSize(edns));
  writer.raw(new Uint8Array(HEADER_BYTES));
  for (const question of message.questions) {
    writer.name(question.name);
    writer.uint16(question.type);
    writer.uint16(question.class);
  }
  let cut = false;
  const write = (records: readonly ResourceRecord[]): number => {
    for (const [count, record] of records.entries()) {
      const before = writer.length;
      writeRecord(writer, record);
      if (writer.length > room) {
        writer.rewind(before);
        return count;
      }
    }
    return records.length;
  };
  const answers = write(message.answers);
  cut ||= answers < message.answers.length;
  const authorities = cut ? 0 : write(message.authorities);
  cut ||= authorities < message.authorities.length;
  const end = writer.length;
  let additionals = cut ? 0 : write(message.additionals);
  if (additionals < message.additionals.length) {
    writer.rewind(end);
    additionals = 0;
  }
  if (edns !== undefined) writeEdns(writer, edns, message.rcode);

  const counts = [
    message.questions.length,
    answers,
    authorities,
    additionals + (edns === undefined ? 0 : 1),
  ];
  writer.patchUint16(0, message.id);
  writer.patchUint16(2, flagsOf({ ...message, truncated: message.truncated || cut }));
  for (const [i, count] of counts.entries()) writer.patchUint16(4 + 2 * i, count);
  return writer.take();
}

function flagsOf(message: Message): number {
  return (message.response ? FLAG.RESPONSE : 0) |
    (message.opcode & 0xf) << 11 |
    (message.authoritative ? FLAG.AUTHORITATIVE : 0) |
    (message.truncated ? FLAG.TRUNCATED : 0) |
    (message.recursionDesired ? FLAG.RECURSION_DESIRED : 0) |
    (message.recursionAvailable ? FLAG.RECURSION_AVAILABLE : 0) |
    (message.authenticData ? FLAG.AUTHENTIC_DATA : 0) |
    (message.checkingDisabled ? FLAG.CHECKING_DISABLED : 0) |
    (message.rcode & 0xf);
}

function broken(what: string): SyntaxError {
  return new SyntaxError(`Cannot read the message: ${what}`);
}
