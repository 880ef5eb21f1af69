import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../../tests/testing/arbitraries.ts";
import { encodeMessage, encodeObject } from "../../../../tests/testing/protobuf.ts";
import { type MessageTable, readMessage, readProtobufObject } from "./message.ts";

const TABLE: MessageTable = {
  1: ["text", "string"],
  2: ["number", "int"],
  3: ["flag", "bool"],
  4: ["labels", "map"],
  5: ["time", "time"],
  6: ["microTime", "micro-time"],
  7: ["inner", { 1: ["name", "string"], 2: ["other", "string"] }],
  8: ["texts", ["string"]],
  20: ["inners", [{ 1: ["name", "string"] }]],
};

Deno.test("readMessage() reads every type of field and skips what it does not know", () => {
  const bytes = encodeMessage({
    1: "é😀",
    2: -5,
    3: true,
    4: [{ 1: "a", 2: "1" }, { 1: "b" }],
    5: { 1: 1_767_225_600, 2: 999_999_999 },
    6: { 1: 1_767_225_600, 2: 123_456_789 },
    7: { 1: "n", 9: "unknown" },
    8: ["x", "", "y"],
    20: [{ 1: "p" }, {}],
    100: "unknown",
    101: 7,
  });
  assert.deepEqual(readMessage(bytes, TABLE), {
    text: "é😀",
    number: -5,
    flag: true,
    labels: { a: "1", b: "" },
    time: "2026-01-01T00:00:00Z",
    microTime: "2026-01-01T00:00:00.123456Z",
    inner: { name: "n" },
    texts: ["x", "", "y"],
    inners: [{ name: "p" }, {}],
  });
});

Deno.test("readMessage() leaves out what is empty, as JSON does", () => {
  const bytes = encodeMessage({ 1: "", 2: 0, 3: false, 5: new Uint8Array(0), 7: {} });
  assert.deepEqual(readMessage(bytes, TABLE), { inner: {} });
});

Deno.test("readMessage() takes the last of a field, and merges messages", () => {
  const bytes = encodeMessage({ 1: ["a", "b"], 7: [{ 1: "n" }, { 2: "o" }] });
  assert.deepEqual(readMessage(bytes, TABLE), { text: "b", inner: { name: "n", other: "o" } });
});

Deno.test("readProtobufObject() opens the envelope", () => {
  const bytes = encodeObject("v1", "Event", { 1: "x" });
  assert.deepEqual(readProtobufObject(bytes, TABLE), {
    apiVersion: "v1",
    kind: "Event",
    text: "x",
  });
});

Deno.test.each<{ name: string; bytes: Uint8Array }>([
  { name: "nothing", bytes: new Uint8Array(0) },
  { name: "no envelope", bytes: encodeMessage({ 1: "x" }) },
  { name: "a body that breaks off", bytes: encodeObject("v1", "Event", { 1: "x" }).slice(0, -6) },
  { name: "a group", bytes: Uint8Array.of(0x6b, 0x38, 0x73, 0, 0x0b) },
  { name: "an endless number", bytes: Uint8Array.of(0x6b, 0x38, 0x73, 0, ...Array(11).fill(0xff)) },
  { name: "a text that is a number", bytes: encodeObject("v1", "Event", { 1: 5 }) },
  { name: "a number that is a text", bytes: encodeObject("v1", "Event", { 2: "x" }) },
  {
    name: "a text that is not UTF-8",
    bytes: encodeObject("v1", "Event", { 1: Uint8Array.of(0xff) }),
  },
  { name: "a time beyond time", bytes: encodeObject("v1", "Event", { 5: { 1: 2n ** 62n } }) },
])("readProtobufObject() throws a SyntaxError on $name", ({ bytes }) => {
  assert.throws(() => readProtobufObject(bytes, TABLE), SyntaxError);
});

Deno.test("readProtobufObject() reads any bytes or throws a SyntaxError", () => {
  const whole = encodeObject("v1", "Event", {
    1: "text",
    2: 300,
    4: [{ 1: "a", 2: "1" }],
    5: { 1: 1_767_225_600 },
    7: { 1: "n" },
    8: ["x", "y"],
    20: [{ 1: "p" }],
  });
  fc.assert(
    fc.property(mutations, (changes) => {
      try {
        readProtobufObject(mutate(whole, changes), TABLE);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});
