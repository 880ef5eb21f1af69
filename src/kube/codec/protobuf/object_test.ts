import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../../tests/testing/arbitraries.ts";
import {
  anyFields,
  anyItem,
  anyMeta,
  encode,
  encodeMeta,
  envelope,
} from "../../../../tests/testing/protobuf.ts";
import { toStoredObject } from "../encoding.ts";
import { PROTOBUF_ENCODING } from "./encoding.ts";
import {
  readLabels,
  readObjectMeta,
  stampResourceVersion,
  toListBody,
  toTypedBody,
} from "./object.ts";

const POD = { kind: "Pod", apiVersion: "v1" };

Deno.test("readObjectMeta() and readLabels() read an item and an object that stands alone", () => {
  fc.assert(fc.property(anyItem, ({ meta, body }) => {
    const { labels, ...rest } = meta;
    for (const object of [body, envelope("v1", "Pod", body)]) {
      assert.deepEqual(readObjectMeta(object), rest);
      assert.deepEqual({ ...readLabels(object) }, labels);
    }
  }));
});

Deno.test("toTypedBody() writes the envelope that Go writes, toListBody() takes it off", () => {
  fc.assert(fc.property(anyItem, ({ body }) => {
    const object = envelope("v1", "Pod", body);
    assert.deepEqual(toTypedBody(body, POD), object);
    assert.deepEqual(toListBody(object).slice(), body);
    assert.equal(toTypedBody(object, { kind: "Other", apiVersion: "v2" }), object);
    assert.equal(toListBody(body), body);
  }));
});

Deno.test("stampResourceVersion() changes the version of the object and nothing else", () => {
  const version = fc.stringMatching(/^[1-9][0-9]{0,200}$/);
  fc.assert(fc.property(anyMeta, anyFields, version, (meta, fields, stamp) => {
    const write = (resourceVersion: string) =>
      envelope("v1", "Pod", encode([[1, encodeMeta({ ...meta, resourceVersion })], ...fields]));
    assert.deepEqual(stampResourceVersion(write(meta.resourceVersion), stamp), write(stamp));
  }));
});

Deno.test("stampResourceVersion() gives the very object back when it has that version", () => {
  const object = envelope("v1", "Pod", encode([[1, encodeMeta({ resourceVersion: "5" })]]));
  assert.equal(stampResourceVersion(object, "5"), object);
});

Deno.test("readObjectMeta() reads an object or throws a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(anyItem, fc.boolean(), mutations, ({ body }, alone, changes) => {
      const bytes = mutate(alone ? envelope("v1", "Pod", body) : body, changes);
      for (
        const read of [readObjectMeta, readLabels, (b: Uint8Array) => stampResourceVersion(b, "9")]
      ) {
        try {
          read(bytes);
        } catch (error) {
          assert.ok(error instanceof SyntaxError, String(error));
        }
      }
    }),
    { numRuns: FUZZ_RUNS / 2 },
  );
});

Deno.test("readLabels() takes a label that is named like a property of every object", () => {
  const body = encode([[1, encodeMeta({ name: "a", labels: { constructor: "x" } })]]);
  const labels = readLabels(body);
  assert.deepEqual([labels.constructor, labels.toString], ["x", undefined]);
});

Deno.test.each([
  { name: "nothing", body: new Uint8Array(0) },
  { name: "an object without metadata", body: encode([[2, "x"]]) },
  { name: "an object whose metadata are a number", body: encode([[1, 5]]) },
  { name: "an object without a name", body: encode([[1, encodeMeta({ uid: "u" })]]) },
])("toStoredObject() throws a SyntaxError when the body is $name", ({ body }) => {
  assert.throws(() => toStoredObject(PROTOBUF_ENCODING, body), SyntaxError);
});

Deno.test("toStoredObject() keeps the body as it is", () => {
  const meta = { namespace: "a", name: "b", uid: "u", resourceVersion: "4" };
  const body = encode([[1, encodeMeta(meta)]]);
  assert.deepEqual(toStoredObject(PROTOBUF_ENCODING, body), {
    key: "a/b",
    uid: "u",
    resourceVersion: "4",
    body,
  });
});
