import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FUZZ_RUNS,
  jsonKey,
  jsonValue,
  label,
  mutate,
  mutations,
  spaced,
  text,
  utf8,
} from "../../tests/testing/arbitraries.ts";
import { itemTypeOf, objectKey, readObjectMeta, toListBody, toTypedBody } from "./object_meta.ts";

const POD = { kind: "Pod", apiVersion: "v1" };

/** An item as a built-in list holds it: no kind, no apiVersion. */
const item = fc.record({
  metadata: fc.record({
    name: label,
    namespace: label,
    uid: fc.uuid(),
    resourceVersion: fc.stringMatching(/^[1-9][0-9]{0,20}$/),
    labels: fc.dictionary(jsonKey, fc.string(), { maxKeys: 2, noNullPrototype: true }),
  }, { noNullPrototype: true }),
  spec: jsonValue,
}, { noNullPrototype: true });

Deno.test("toTypedBody() puts kind and apiVersion in front and changes nothing else", () => {
  fc.assert(fc.property(item, fc.constantFrom("", " "), (item, space) => {
    const typed = JSON.parse(text(toTypedBody(utf8(spaced(item, space)), POD)));
    assert.deepEqual(typed, { ...POD, ...item });
    assert.deepEqual(Object.keys(typed).slice(0, 2), ["kind", "apiVersion"]);
  }));
});

Deno.test("toListBody() gives the item back of which toTypedBody() made an object", () => {
  fc.assert(fc.property(item, (item) => {
    const body = utf8(JSON.stringify(item));
    assert.equal(text(toListBody(toTypedBody(body, POD))), text(body));
  }));
});

Deno.test("toTypedBody() leaves an item that carries its kind as it is", () => {
  const body = utf8('{"apiVersion":"a/v1","kind":"X","metadata":{}}');
  assert.equal(toTypedBody(body, POD), body);
});

Deno.test("toListBody() leaves a custom resource as it is: its lists keep kind and apiVersion", () => {
  const body = utf8('{"apiVersion":"a/v1","kind":"X","metadata":{}}');
  assert.equal(toListBody(body), body);
});

Deno.test("toListBody() leaves PartialObjectMetadata as they are: their lists keep the kind", () => {
  const body = utf8('{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{}}');
  assert.equal(toListBody(body), body);
});

Deno.test("toListBody() keeps fields of inner objects that are named kind", () => {
  const body = utf8('{"kind":"Event","apiVersion":"v1","involvedObject":{"kind":"Pod"}}');
  assert.equal(text(toListBody(body)), '{"involvedObject":{"kind":"Pod"}}');
});

Deno.test("toListBody() leaves an empty object of an object that holds its kind alone", () => {
  assert.equal(text(toListBody(utf8('{"kind":"X"}'))), "{}");
});

Deno.test("readObjectMeta() reads place, identity and version", () => {
  fc.assert(fc.property(item, (item) => {
    const { name, namespace, uid, resourceVersion } = readObjectMeta(utf8(JSON.stringify(item)));
    const { labels: _, ...want } = item.metadata;
    assert.deepEqual({ name, namespace, uid, resourceVersion }, want);
  }));
});

Deno.test("readObjectMeta() reads the object in the row of a Table", () => {
  const row = utf8('{"cells":["a"],"object":{"metadata":{"name":"a","resourceVersion":"3"}}}');
  const { name, resourceVersion } = readObjectMeta(row);
  assert.deepEqual({ name, resourceVersion }, { name: "a", resourceVersion: "3" });
});

Deno.test.each(["{}", "[]", "", '{"object":{"metadata":{}}}', '{"cells":[],"object":{}}'])(
  "readObjectMeta() throws a SyntaxError when the body is '%s'",
  (body) => assert.throws(() => readObjectMeta(utf8(body)), SyntaxError),
);

Deno.test("readObjectMeta() reads an object or throws a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(item, mutations, (item, changes) => {
      try {
        const meta = readObjectMeta(mutate(utf8(JSON.stringify(item)), changes));
        assert.equal(typeof meta.name + typeof meta.resourceVersion, "stringstring");
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS / 2 },
  );
});

Deno.test.each([
  { namespace: "", name: "n1", want: "n1" },
  { namespace: "a", name: "b", want: "a/b" },
])("objectKey() is $want", ({ namespace, name, want }) => {
  assert.equal(objectKey(namespace, name), want);
});

Deno.test.each([
  { kind: "PodList", want: "Pod" },
  { kind: "EndpointsList", want: "Endpoints" },
  { kind: "ListenerList", want: "Listener" },
  { kind: "Table", want: "Table" },
])("itemTypeOf() of a $kind is $want", ({ kind, want }) => {
  assert.deepEqual(itemTypeOf({ kind, apiVersion: "v1" }), { kind: want, apiVersion: "v1" });
});
