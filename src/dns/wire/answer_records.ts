import type { Answer } from "./answer.ts";
import { decodeMessage, HEADER_BYTES } from "./message.ts";
import { nameSize } from "./name.ts";
import type { ResourceRecord } from "./record.ts";
import { WireWriter } from "./wire_writer.ts";

/** The records of an {@linkcode Answer}, read back. */
export interface AnswerRecords {
  answers: ResourceRecord[];
  authorities: ResourceRecord[];
  additionals: ResourceRecord[];
}

/**
 * The records of an answer to the question for `name`.
 *
 * @throws {SyntaxError} for an answer that was made for another name
 */
export function readAnswer(name: string, answer: Answer): AnswerRecords {
  const writer = new WireWriter(0, HEADER_BYTES + nameSize(name) + 4 + answer.records.length);
  const { answers, authorities, additionals } = answer;
  for (const half of [0, 0, 1, answers, authorities, additionals]) writer.uint16(half);
  writer.name(name);
  writer.uint32(0);
  writer.raw(answer.records);
  return decodeMessage(writer.take());
}
