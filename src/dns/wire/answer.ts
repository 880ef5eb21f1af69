import type { ExtendedError } from "./rcode.ts";
import { decodeMessage, FLAG, HEADER_BYTES, type Message } from "./message.ts";
import { nameKey, nameSize } from "./name.ts";
import { CLASS_IN, TYPE } from "./record_type.ts";
import { type ResourceRecord, writeRecord } from "./record.ts";
import { WireWriter } from "./wire_writer.ts";

/**
 * All of a reply but its header, question and OPT record, as bytes that can be sent again and again: the
 * names in it are compressed against the question, so it fits every question with the same key.
 */
export interface Answer {
  rcode: number;
  /** The AA bit. */
  authoritative: boolean;
  /** Records in each section. */
  answers: number;
  authorities: number;
  additionals: number;
  /** The records of the three sections, one after the other. */
  records: Uint8Array;
  /** Where the answer section ends in `records`, and where the authority section does. */
  answersEnd: number;
  authoritiesEnd: number;
  /** Bytes of each record of the answer section where all are addresses of the question's name; else 0. */
  turnBytes: number;
  /** Shown to clients that speak EDNS. */
  extendedError?: ExtendedError;
}

/** The parts of an {@linkcode Answer}. */
export interface AnswerParts {
  rcode: number;
  authoritative?: boolean;
  answers?: readonly ResourceRecord[];
  authorities?: readonly ResourceRecord[];
  additionals?: readonly ResourceRecord[];
  extendedError?: ExtendedError;
}

const NOTHING = new Uint8Array();

/**
 * Writes the answer to the question for `name`.
 *
 * @throws {SyntaxError} for a record that can't be written
 */
export function createAnswer(name: string, parts: AnswerParts): Answer {
  const { rcode, authoritative = true, extendedError } = parts;
  const { answers = [], authorities = [], additionals = [] } = parts;
  const writer = new WireWriter(HEADER_BYTES + nameSize(name) + 4);
  const any = answers.length + authorities.length + additionals.length > 0;
  if (any) writer.know(name, HEADER_BYTES);
  for (const record of answers) writeRecord(writer, record);
  const answersEnd = writer.length;
  for (const record of authorities) writeRecord(writer, record);
  const authoritiesEnd = writer.length;
  for (const record of additionals) writeRecord(writer, record);
  return {
    rcode,
    authoritative,
    answers: answers.length,
    authorities: authorities.length,
    additionals: additionals.length,
    records: any ? writer.take() : NOTHING,
    answersEnd,
    authoritiesEnd,
    turnBytes: areAddressesOf(name, answers) ? answersEnd / answers.length : 0,
    extendedError,
  };
}

/** Whether the order of the answers says nothing, and none of them is pointed to. */
function areAddressesOf(name: string, answers: readonly ResourceRecord[]): boolean {
  const type = answers[0]?.type;
  return name !== "" && answers.length > 1 && (type === TYPE.A || type === TYPE.AAAA) &&
    answers.every((record) => record.type === type && nameKey(record.name) === name);
}

/** The message that an answer to the question for `name` and `type` is. */
export function readAnswer(name: string, type: number, answer: Answer): Message {
  const writer = new WireWriter();
  const { answers, authorities, additionals, rcode, authoritative } = answer;
  const flags = FLAG.RESPONSE | (authoritative ? FLAG.AUTHORITATIVE : 0) | (rcode & 0xf);
  for (const value of [0, flags, 1, answers, authorities, additionals]) writer.uint16(value);
  writer.name(name, "plain");
  writer.uint16(type);
  writer.uint16(CLASS_IN);
  writer.raw(answer.records);
  return decodeMessage(writer.take());
}
