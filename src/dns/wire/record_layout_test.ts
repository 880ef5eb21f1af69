import assert from "node:assert/strict";
import * as oracle from "@dnsquery/dns-packet";
import { NAMES_IN_DATA, plainName } from "../../../tests/testing/dns_messages.ts";
import { createAnswer, readAnswer } from "./answer.ts";
import { createMessage, decodeMessage, encodeMessage } from "./message.ts";
import { formatType, TYPE } from "./record_type.ts";

const QUESTION = "a.example";
/** Where the question's name lies, and where its last label does. */
const [AT_QUESTION, AT_EXAMPLE] = [12, 14];

/** A reply to a question for `a.example` with one record of the question's name. */
function reply(type: number, data: readonly number[], recordClass = 1): Uint8Array {
  const question = { name: QUESTION, type, class: recordClass };
  const head = encodeMessage(createMessage({ id: 1, response: true, questions: [question] }));
  const record = [0xc0, AT_QUESTION, type >> 8, type & 255, 0, recordClass, 0, 0, 0, 60];
  head[7] = 1;
  return Uint8Array.from([...head, ...record, data.length >> 8, data.length & 255, ...data]);
}

const dataOf = (packet: Uint8Array): number[] => {
  const data = decodeMessage(packet).answers[0]!.data;
  assert.ok(data.kind === "opaque");
  return [...data.bytes];
};

const compressed = [
  { name: QUESTION, bytes: [0xc0, AT_QUESTION] },
  { name: "B.example", bytes: [1, 0x42, 0xc0, AT_EXAMPLE] },
];

Deno.test.each(NAMES_IN_DATA.map((each) => ({ ...each, name: formatType(each.type) })))(
  "S43 names in $name are whole in what is passed on",
  ({ type, before, names, after }) => {
    for (const pair of [compressed, compressed.toReversed()]) {
      const used = pair.slice(0, names);
      const packet = reply(type, [...before, ...used.flatMap(({ bytes }) => bytes), ...after]);
      const plain = [...before, ...used.flatMap(({ name }) => plainName(name)), ...after];
      assert.deepEqual(dataOf(packet), plain);
      // Behind another question, where the pointers would lead elsewhere.
      const { answers } = decodeMessage(packet);
      const moved = readAnswer("x.y", type, createAnswer("x.y", { rcode: 0, answers }));
      assert.deepEqual(moved.answers, answers);
      assert.deepEqual(dataOf(reply(type, plain)), plain, "and stay so");
    }
  },
);

Deno.test.each(NAMES_IN_DATA.map((each) => ({ ...each, name: formatType(each.type) })))(
  "S43 $name with a broken name is a SyntaxError",
  ({ type, before, names, after }) => {
    const rest = compressed.slice(1, names).flatMap(({ bytes }) => bytes);
    const bad: Record<string, number[]> = {
      "nothing": [],
      "half of what stands before": before.slice(0, -1),
      "no name": before,
      "half a pointer": [...before, 0xc0],
      "a pointer forward": [...before, 0xc0, 0xff, ...rest, ...after],
      "a pointer to itself": [...before, 0xc0, 12 + 11 + 4 + 12 + before.length, ...rest, ...after],
      "a label that leads out": [...before, 9, 0x61],
      ...(after.length === 0 && {
        "bytes left over": [...before, ...compressed.slice(0, names).flatMap((n) => n.bytes), 0],
      }),
    };
    for (const [what, data] of Object.entries(bad)) {
      assert.throws(() => decodeMessage(reply(type, data)), SyntaxError, what);
    }
  },
);

Deno.test("S43 an independent decoder reads the names of RP and DNAME in what is passed on", () => {
  const twoNames = compressed.flatMap(({ bytes }) => bytes);
  const passedOn = (type: number, data: number[]) =>
    (oracle.decode(encodeMessage(decodeMessage(reply(type, data)))).answers![0] as {
      data: unknown;
    }).data;
  assert.deepEqual(passedOn(TYPE.RP, twoNames), { mbox: QUESTION, txt: "B.example" });
  assert.equal(passedOn(TYPE.DNAME, compressed[1]!.bytes), "B.example");
});

Deno.test("S43 RDATA of other classes is left as it is", () => {
  assert.deepEqual(dataOf(reply(TYPE.MB, [0xc0, 12], 3)), [0xc0, 12]);
});
