import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cutAt,
  cuts,
  FUZZ_RUNS,
  mutate,
  mutations,
} from "../../../../tests/testing/arbitraries.ts";
import { anyItem, encode, envelope, hex } from "../../../../tests/testing/protobuf.ts";
import { concatBytes } from "../json.ts";
import type { WatchEvent } from "../../watch_event.ts";
import { PROTOBUF_ENCODING } from "./encoding.ts";
import { readObjectMeta } from "./object.ts";
import { formatFrame, parseWatchEvent, ProtobufFrameSplitter } from "./watch.ts";

/** A WatchList of one ConfigMap by a real kube-apiserver 1.35.4: ADDED, and the annotated BOOKMARK. */
const ADDED = hex(
  "000001040a05414444454412fa010af7016b3873000a0f0a0276311209436f6e6669674d617012db010ad0010a016112001a0764656661756c7422002a2436616166343738342d306466352d343265342d396132322d34393739626636656539373432033230393800420808d4ca8fd80610005a0d0a0474696572120566726f6e748a01770a0444656e6f12065570646174651a027631220808d4ca8fd806100032084669656c647356313a4d0a4b7b22663a64617461223a7b222e223a7b7d2c22663a78223a7b7d7d2c22663a6d65746164617461223a7b22663a6c6162656c73223a7b222e223a7b7d2c22663a74696572223a7b7d7d7d7d420012060a01781201791a002200",
);
const BOOKMARK = hex(
  "000000610a08424f4f4b4d41524b12550a536b3873000a0f0a0276311209436f6e6669674d617012380a360a0012001a0022002a0032033231303800420062210a196b38732e696f2f696e697469616c2d6576656e74732d656e641204747275651a002200",
);

const event = fc.record({
  type: fc.constantFrom<WatchEvent["type"]>("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"),
  object: anyItem.map(({ body }) => envelope("v1", "Pod", body)),
});

/** A frame by another hand. */
function frameOf({ type, object }: WatchEvent): Uint8Array {
  const body = encode([[1, type], [2, [[1, object]]]]);
  return concatBytes([hex(body.length.toString(16).padStart(8, "0")), body]);
}

const copy = (events: WatchEvent[]) =>
  events.map(({ type, object }) => ({ type, object: object.slice() }));

Deno.test("ProtobufFrameSplitter and parseWatchEvent() read what an encoder wrote, however it is cut", () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 4 }), cuts, (events, fractions) => {
    const body = concatBytes([new Uint8Array(0), ...events.map(frameOf)]);
    const splitter = new ProtobufFrameSplitter();
    const frames = cutAt(body, fractions).flatMap((chunk) => splitter.push(chunk));
    assert.deepEqual(copy(frames.map(parseWatchEvent)), copy(events));
  }));
});

Deno.test("formatFrame() writes the very bytes that Go writes", () => {
  fc.assert(fc.property(event, (event) => {
    assert.deepEqual(formatFrame(event.type, event.object), frameOf(event));
  }));
  const { type, object } = parseWatchEvent(ADDED.subarray(4));
  assert.deepEqual(formatFrame(type, object), Uint8Array.from(ADDED));
});

Deno.test("ProtobufFrameSplitter finds the same in single bytes", () => {
  const splitter = new ProtobufFrameSplitter();
  const frames = [...ADDED, ...BOOKMARK].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
  assert.deepEqual(frames.map(parseWatchEvent).map(({ type }) => type), ["ADDED", "BOOKMARK"]);
  assert.equal(readObjectMeta(parseWatchEvent(frames[1]!).object).resourceVersion, "210");
});

Deno.test("formatBookmark() writes the bookmark of a real kube-apiserver", () => {
  const type = { kind: "ConfigMap", apiVersion: "v1" };
  assert.deepEqual(PROTOBUF_ENCODING.formatBookmark(type, "210", true), Uint8Array.from(BOOKMARK));
  const plain = PROTOBUF_ENCODING.formatBookmark(type, "7");
  assert.equal(readObjectMeta(parseWatchEvent(plain.subarray(4)).object).resourceVersion, "7");
  assert.ok(plain.length < BOOKMARK.length - 30);
});

Deno.test.each([
  { name: "is empty", prefix: "00000000" },
  { name: "is longer than any object", prefix: "01000001" },
  { name: "is the beginning of JSON", prefix: "7b227479" },
])("ProtobufFrameSplitter throws a SyntaxError when a frame $name", ({ prefix }) => {
  assert.throws(() => new ProtobufFrameSplitter().push(hex(prefix)), SyntaxError);
  assert.throws(
    () => new ProtobufFrameSplitter().push(concatBytes([hex(prefix), ADDED])),
    SyntaxError,
  );
});

const POD = envelope("v1", "Pod", new Uint8Array(0));

Deno.test.each([
  { name: "nothing", frame: new Uint8Array(0) },
  { name: "no object", frame: encode([[1, "ADDED"]]) },
  { name: "no type", frame: encode([[2, [[1, POD]]]]) },
  { name: "another type", frame: encode([[1, "PATCHED"], [2, [[1, POD]]]]) },
  { name: "an object without its kind", frame: encode([[1, "ADDED"], [2, [[1, "x"]]]]) },
  { name: "an object that is JSON", frame: encode([[1, "ADDED"], [2, [[1, '{"kind":"Pod"}']]]]) },
])("parseWatchEvent() throws a SyntaxError when there is $name", ({ frame }) => {
  assert.throws(() => parseWatchEvent(frame), SyntaxError);
});

Deno.test("a watch gives events or a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(event, mutations, (event, changes) => {
      try {
        new ProtobufFrameSplitter().push(mutate(frameOf(event), changes)).map(parseWatchEvent);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS / 2 },
  );
});
