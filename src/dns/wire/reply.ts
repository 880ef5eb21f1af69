import type { Answer } from "./answer.ts";
import {
  CODE_ALONE_BYTES,
  type Edns,
  type EdnsOption,
  extendedErrorOptions,
  writeEdns,
} from "./edns.ts";
import { FLAG, HEADER_BYTES, MAX_MESSAGE_BYTES } from "./message.ts";
import { skipName } from "./name.ts";
import type { Query, Received } from "./query.ts";
import { WireWriter } from "./wire_writer.ts";

/** Largest UDP reply: it passes every path without fragments (DNS flag day 2020). Also what we say to take. */
export const MAX_UDP_BYTES = 1232;
/** What every client can take (RFC 1035 4.2.1). */
export const MIN_UDP_BYTES = 512;

/** How large the reply to a query may be, bytes. */
export function replyLimit({ edns }: Pick<Query, "edns">, transport: "udp" | "tcp"): number {
  if (transport === "tcp") return MAX_MESSAGE_BYTES;
  return Math.min(Math.max(edns?.udpSizeBytes ?? 0, MIN_UDP_BYTES), MAX_UDP_BYTES);
}

/** Choices about a reply that neither query nor answer makes. */
export interface ReplyOptions {
  /** Largest size, bytes: see {@linkcode replyLimit}. */
  limit: number;
  /**
   * Turns the answer section by so many records where all are addresses of the question's name: clients
   * that take the first one then spread.
   */
  turn?: number;
  /** Where to write the reply, if not into memory of its own: at least `limit` bytes. The reply is a part of it. */
  into?: Uint8Array<ArrayBuffer>;
}

/**
 * The reply to `query`. What is too large loses the text of its extended error, then its additional section, then
 * its authorities and the last of its answers, and TC is set.
 */
export function formatReply(
  query: Query,
  answer: Answer,
  options: ReplyOptions,
): Uint8Array<ArrayBuffer> {
  const { packet, questionEnd, edns } = query;
  const space = options.limit - questionEnd;
  // An error's text must not cost a record (RFC 8914); its code is worth one.
  const optRoom = Math.max(space - answer.records.length, Math.min(space, CODE_ALONE_BYTES));
  const opt = edns === undefined ? NOTHING : optBytes(edns, answer, optRoom);
  const optSize = opt.length;
  const room = space - optSize;
  let { answers, authorities, additionals } = answer;
  let size = answer.records.length;
  if (size > room) {
    [size, additionals] = [answer.authoritiesEnd, 0];
    if (size > room) [size, authorities] = [answer.answersEnd, 0];
    if (size > room) ({ size, count: answers } = fitting(answer, room));
  }
  const truncated = answers < answer.answers || authorities < answer.authorities;

  const reply = options.into?.subarray(0, questionEnd + size + optSize) ??
    new Uint8Array(questionEnd + size + optSize);
  reply.set(packet.subarray(0, questionEnd));
  const flags = FLAG.RESPONSE | FLAG.RECURSION_AVAILABLE |
    (answer.authoritative ? FLAG.AUTHORITATIVE : 0) |
    (truncated ? FLAG.TRUNCATED : 0) |
    (query.recursionDesired ? FLAG.RECURSION_DESIRED : 0) |
    (query.checkingDisabled ? FLAG.CHECKING_DISABLED : 0) |
    (answer.rcode & 0xf);
  reply[2] = flags >> 8;
  reply[3] = flags & 0xff;
  const put = (at: number, count: number) => {
    reply[at] = count >> 8;
    reply[at + 1] = count & 0xff;
  };
  put(6, answers);
  put(8, authorities);
  put(10, additionals + (optSize === 0 ? 0 : 1));
  putRecords(reply, questionEnd, size, answer, options.turn);
  reply.set(opt, questionEnd + size);
  return reply;
}

/** The reply to a packet that is no proper query: its header with the rcode, and OPT where that is asked for. */
export function formatRejection(
  packet: Uint8Array,
  { rcode, edns }: Pick<Extract<Received, { state: "rejected" }>, "rcode" | "edns">,
): Uint8Array<ArrayBuffer> {
  const opt = edns === undefined ? NOTHING : optBytes(edns, { rcode }, Infinity);
  const reply = new Uint8Array(HEADER_BYTES + opt.length);
  reply.set(packet.subarray(0, 4));
  // Opcode and RD are the client's.
  reply[2] = FLAG.RESPONSE >> 8 | (packet[2]! & 0x79);
  reply[3] = rcode & 0xf;
  if (opt.length > 0) reply[11] = 1;
  reply.set(opt, HEADER_BYTES);
  return reply;
}

const NOTHING = new Uint8Array();

/** The OPT record of a reply, at most `room` bytes as far as that is possible. Most are one of two. */
function optBytes(
  { dnssecOk }: Edns,
  { rcode, extendedError }: Pick<Answer, "rcode" | "extendedError">,
  room: number,
): Uint8Array {
  const options = extendedError === undefined ? [] : extendedErrorOptions(extendedError, room);
  if (rcode < 16 && options.length === 0) return dnssecOk ? OPT_DNSSEC_OK : OPT;
  return writeOpt(dnssecOk, rcode, options);
}

function writeOpt(
  dnssecOk: boolean,
  rcode = 0,
  options: readonly EdnsOption[] = [],
): Uint8Array {
  const writer = new WireWriter();
  writeEdns(writer, { udpSizeBytes: MAX_UDP_BYTES, version: 0, dnssecOk, options }, rcode);
  return writer.take();
}

const OPT = writeOpt(false);
const OPT_DNSSEC_OK = writeOpt(true);

/** How many records of the answer section fit into `room` bytes. */
function fitting({ records, answers }: Answer, room: number): { size: number; count: number } {
  let [size, count] = [0, 0];
  while (count < answers) {
    const end = recordEnd(records, size);
    if (end > room) break;
    size = end;
    count++;
  }
  return { size, count };
}

function recordEnd(records: Uint8Array, at: number): number {
  const end = skipName(records, at);
  return end + 10 + (records[end + 8]! << 8 | records[end + 9]!);
}

/** Puts the first `size` bytes of the records at `at`, the answer section turned by `turn` records. */
function putRecords(
  reply: Uint8Array,
  at: number,
  size: number,
  { records, answers, answersEnd, turnBytes }: Answer,
  turn = 0,
): void {
  const cut = turnBytes === 0 ? 0 : (turn % answers) * turnBytes;
  if (cut === 0) {
    reply.set(size === records.length ? records : records.subarray(0, size), at);
    return;
  }
  // Of a huge answer only what fits is touched.
  const head = Math.min(size, answersEnd - cut);
  const tail = Math.min(size, answersEnd) - head;
  reply.set(records.subarray(cut, cut + head), at);
  reply.set(records.subarray(0, tail), at + head);
  if (size > answersEnd) reply.set(records.subarray(answersEnd, size), at + answersEnd);
}
