import {
  createMessage,
  decodeMessage,
  encodeMessage,
  HEADER_BYTES,
  type Message,
} from "../wire/message.ts";
import { nameKey, readName } from "../wire/name.ts";
import { RCODE } from "../wire/rcode.ts";
import { CLASS_IN } from "../wire/record_type.ts";
import { MAX_UDP_BYTES } from "../wire/reply.ts";
import type { ForwardQuestion } from "./forward_question.ts";

/** Bytes that nobody can guess. */
export type RandomBytes = (length: number) => Uint8Array;

/** How an upstream can be spoken to. */
export interface Dialect {
  /** It understands EDNS (RFC 6891). */
  edns: boolean;
  /** It sends a question back as it is spelled (draft-vixie-dnsext-dns0x20). */
  mixedCase: boolean;
}

/** A query on its way to an upstream: what a reply to it must match. */
export interface OutgoingQuery {
  packet: Uint8Array<ArrayBuffer>;
  id: number;
  /** The name as it stands in the packet. */
  spelling: string;
  /** Its letters are in upper and lower case at random, and a reply must have them so. */
  mixedCase: boolean;
  type: number;
}

/** Writes a query whose id and spelling can't be guessed (RFC 5452 4). */
export function createOutgoing(
  question: ForwardQuestion,
  { edns, mixedCase }: Dialect,
  random: RandomBytes,
): OutgoingQuery {
  const { name, type, dnssecOk, checkingDisabled } = question;
  const [high = 0, low = 0] = random(2);
  const id = high << 8 | low;
  const spelling = mixedCase ? spellAtRandom(name, random) : name;
  const packet = encodeMessage(createMessage({
    id,
    recursionDesired: true,
    checkingDisabled,
    questions: [{ name: spelling, type, class: CLASS_IN }],
    edns: edns ? { udpSizeBytes: MAX_UDP_BYTES, version: 0, dnssecOk, options: [] } : undefined,
  }));
  return { packet, id, spelling, mixedCase, type };
}

function spellAtRandom(name: string, random: RandomBytes): string {
  const coins = random(name.length);
  // Escapes of bytes are digits: they stay as they are.
  return Array.from(name, (char, i) => (coins[i]! & 1) === 0 ? char : char.toUpperCase()).join("");
}

/** What a packet is to a query. */
export type Match =
  | { state: "reply"; message: Message }
  /** It fits but for its spelling: the upstream does not keep it, or somebody guesses. */
  | { state: "respelled"; message: Message }
  /** The upstream does not understand EDNS, and says so without the question. */
  | { state: "not-understood" }
  /** It begins as the reply does, spelling and all, but can't be read to its end: it was cut (RFC 2181 9). */
  | { state: "cut" }
  | { state: "other"; why: "malformed" | "id" | "question" };

/** Looks whether a packet from the upstream's address answers the query. Never throws. */
export function matchReply(query: OutgoingQuery, bytes: Uint8Array): Match {
  if (bytes.length >= 2 && (bytes[0]! << 8 | bytes[1]!) !== query.id) {
    return { state: "other", why: "id" };
  }
  let message: Message;
  try {
    message = decodeMessage(bytes);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return beginsAsReply(query, bytes) ? { state: "cut" } : { state: "other", why: "malformed" };
  }
  if (!message.response || message.opcode !== 0) return { state: "other", why: "malformed" };
  const [asked, ...more] = message.questions;
  if (asked === undefined && isComplaint(message)) return { state: "not-understood" };
  const same = asked !== undefined && more.length === 0 && asked.type === query.type &&
    asked.class === CLASS_IN && nameKey(asked.name) === nameKey(query.spelling);
  if (!same) return { state: "other", why: "question" };
  return { state: isSpelledAs(query, asked.name) ? "reply" : "respelled", message };
}

/** Whether the header and the question of a packet are those of a reply to the query, whatever follows. */
function beginsAsReply(query: OutgoingQuery, bytes: Uint8Array): boolean {
  const uint16 = (at: number) => bytes[at]! << 8 | bytes[at + 1]!;
  // QR is set, and the opcode 0.
  if (bytes.length < HEADER_BYTES || (bytes[2]! & 0xf8) !== 0x80 || uint16(4) !== 1) return false;
  try {
    const { name, end } = readName(bytes, HEADER_BYTES, "text");
    return end + 4 <= bytes.length && isSpelledAs(query, name) && uint16(end) === query.type &&
      uint16(end + 2) === CLASS_IN;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return false;
  }
}

function isSpelledAs({ spelling, mixedCase }: OutgoingQuery, name: string): boolean {
  return mixedCase ? name === spelling : nameKey(name) === nameKey(spelling);
}

/** Whether a reply may only mean that EDNS is not understood (RFC 6891 7). */
export function isComplaint({ rcode, edns }: Message): boolean {
  return edns === undefined && (rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP);
}
