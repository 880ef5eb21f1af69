import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cutAt,
  cuts,
  FUZZ_RUNS,
  jsonValue,
  label,
  mutate,
  mutations,
  text,
  utf8,
} from "../../tests/testing/arbitraries.ts";
import { concatBytes } from "./codec/json.ts";
import { readObjectMeta } from "./object_meta.ts";
import {
  formatBookmark,
  formatFrame,
  JsonFrameSplitter,
  parseWatchEvent,
  stampResourceVersion,
  type WatchEvent,
} from "./watch_event.ts";

const POD = { kind: "Pod", apiVersion: "v1" };

const event = fc.record({
  type: fc.constantFrom<WatchEvent["type"]>("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"),
  object: fc.record({ metadata: fc.record({ name: label }), spec: jsonValue })
    .map((object) => utf8(JSON.stringify(object))),
});

Deno.test("JsonFrameSplitter and parseWatchEvent() give back what formatFrame() wrote, however it is cut", () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 4 }), cuts, (events, fractions) => {
    const body = concatBytes([
      new Uint8Array(0),
      ...events.map(({ type, object }) => formatFrame(type, object)),
    ]);
    const splitter = new JsonFrameSplitter();
    const frames = cutAt(body, fractions).flatMap((chunk) => splitter.push(chunk));
    const got = frames.map(parseWatchEvent);
    assert.deepEqual(
      got.map(({ type, object }) => ({ type, object: text(object) })),
      events.map(({ type, object }) => ({ type, object: text(object) })),
    );
  }));
});

Deno.test("JsonFrameSplitter keeps a frame back until its newline has come", () => {
  const splitter = new JsonFrameSplitter();
  assert.deepEqual(splitter.push(utf8('{"type":"ADDED"')), []);
  assert.deepEqual(splitter.push(utf8("}")), []);
  assert.deepEqual(splitter.push(utf8("\n")).map(text), ['{"type":"ADDED"}']);
});

Deno.test("JsonFrameSplitter passes over empty lines", () => {
  assert.deepEqual(new JsonFrameSplitter().push(utf8("\n\na\n\n")).map(text), ["a"]);
});

Deno.test("JsonFrameSplitter throws a SyntaxError when a frame never ends", () => {
  const splitter = new JsonFrameSplitter();
  const megabyte = new Uint8Array(1024 * 1024).fill(0x20);
  assert.throws(() => {
    for (let i = 0; i < 17; i++) splitter.push(megabyte);
  }, SyntaxError);
});

Deno.test("JsonFrameSplitter takes a long frame in small pieces in linear time", () => {
  const splitter = new JsonFrameSplitter();
  const piece = new Uint8Array(64).fill(0x20);
  for (let i = 0; i < 50_000; i++) splitter.push(piece);
  assert.equal(splitter.push(utf8("\n"))[0]?.length, 64 * 50_000);
});

Deno.test.each([
  "",
  "{}",
  '{"type":"ADDED"}',
  '{"object":{}}',
  '{"type":"PATCHED","object":{}}',
  '{"type":1,"object":{}}',
  '{"type":"ADDED","object":',
  "null",
])("parseWatchEvent() throws a SyntaxError when the frame is '%s'", (frame) => {
  assert.throws(() => parseWatchEvent(utf8(frame)), SyntaxError);
});

Deno.test("parseWatchEvent() gives an event or a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(event, mutations, ({ type, object }, changes) => {
      try {
        parseWatchEvent(mutate(formatFrame(type, object), changes));
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS / 2 },
  );
});

Deno.test.each([
  { end: false, metadata: { resourceVersion: "9" } },
  {
    end: true,
    metadata: { resourceVersion: "9", annotations: { "k8s.io/initial-events-end": "true" } },
  },
])("formatBookmark() writes the metadata $metadata", ({ end, metadata }) => {
  assert.deepEqual(JSON.parse(text(formatBookmark(POD, "9", end))), {
    type: "BOOKMARK",
    object: { ...POD, metadata },
  });
});

Deno.test("stampResourceVersion() changes the version of the object and nothing else", () => {
  const version = fc.stringMatching(/^[1-9][0-9]{0,20}$/);
  fc.assert(fc.property(label, version, version, jsonValue, (name, old, stamp, spec) => {
    const metadata = { annotations: { resourceVersion: "1" }, resourceVersion: old, name };
    const object = { ...POD, spec, metadata };
    const stamped = stampResourceVersion(utf8(JSON.stringify(object)), stamp);
    assert.deepEqual(JSON.parse(text(stamped)), {
      ...object,
      metadata: { ...metadata, resourceVersion: stamp },
    });
    assert.equal(readObjectMeta(stamped).resourceVersion, stamp);
  }));
});

Deno.test("stampResourceVersion() gives the very object back when it has that version", () => {
  const object = utf8('{"metadata":{"name":"a","resourceVersion":"5"}}');
  assert.equal(stampResourceVersion(object, "5"), object);
});

Deno.test("stampResourceVersion() throws a SyntaxError when an object has no metadata", () => {
  assert.throws(() => stampResourceVersion(utf8("{}"), "5"), SyntaxError);
});
