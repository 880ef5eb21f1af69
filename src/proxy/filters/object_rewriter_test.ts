import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cutAt,
  cuts,
  FUZZ_RUNS,
  jsonKey,
  jsonValue,
  mutate,
  mutations,
  spaced,
  text,
  utf8,
} from "../../../tests/testing/arbitraries.ts";
import { concatBytes } from "../../kube/codec/json.ts";
import { formatFrame } from "../../kube/watch_event.ts";
import { ObjectRewriter, type Visit } from "./object_rewriter.ts";

function rewrite(chunks: readonly Uint8Array[], visit: Visit): Uint8Array {
  const rewriter = new ObjectRewriter(visit);
  return concatBytes([...chunks.map((chunk) => rewriter.push(chunk)), rewriter.end()]);
}

const asItIs: Visit = (object) => object;
const space = fc.constantFrom("", " ", "\t");
const object = fc.dictionary(jsonKey, jsonValue, { maxKeys: 3, noNullPrototype: true });

Deno.test("ObjectRewriter passes on all bytes when nothing is changed, whatever they are", () => {
  fc.assert(
    fc.property(fc.array(jsonValue), space, mutations, cuts, (values, space, changes, cuts) => {
      const body = values.map((value) => spaced(value, space)).join("\n");
      const bytes = mutate(utf8(body), changes);
      assert.deepEqual(rewrite(cutAt(bytes, cuts), asItIs), bytes);
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("ObjectRewriter visits every item of a list, wherever its body is cut", () => {
  fc.assert(
    fc.property(
      fc.array(object, { maxLength: 4 }),
      object,
      space,
      cuts,
      (items, more, space, cuts) => {
        const list = { kind: "PodList", metadata: { resourceVersion: "7" }, items, more };
        const seen: unknown[] = [];
        rewrite(cutAt(utf8(spaced(list, space)), cuts), (bytes) => {
          seen.push(JSON.parse(text(bytes)));
          return bytes;
        });
        const want = [list.metadata, ...items, more];
        assert.deepEqual(seen, JSON.parse(JSON.stringify(want)));
      },
    ),
    { numRuns: FUZZ_RUNS / 10 },
  );
});

Deno.test("ObjectRewriter puts what it is given in the place of what it visits", () => {
  fc.assert(
    fc.property(fc.array(object, { minLength: 1, maxLength: 4 }), cuts, (objects, cuts) => {
      const body = concatBytes(
        objects.map((each) => formatFrame("ADDED", utf8(JSON.stringify(each)))),
      );
      const shown = rewrite(cutAt(body, cuts), () => utf8(`{"a":"}"}`));
      assert.equal(text(shown), `{"type":"ADDED","object":{"a":"}"}}\n`.repeat(objects.length));
    }),
    { numRuns: FUZZ_RUNS / 10 },
  );
});

Deno.test("ObjectRewriter passes on each frame as soon as it is whole", () => {
  const rewriter = new ObjectRewriter(() => utf8("{}"));
  const frame = formatFrame("ADDED", utf8(`{"metadata":{"name":"a"}}`));
  assert.equal(text(rewriter.push(frame.subarray(0, 30))), `{"type":"ADDED","object":`);
  assert.equal(text(rewriter.push(frame.subarray(30))), "{}}\n");
});

Deno.test("ObjectRewriter passes on an object of which the end never comes", () => {
  const cut = utf8(`{"items":[{"a":1},{"b":`);
  assert.equal(text(rewrite([cut], () => utf8("{}"))), `{"items":[{},{"b":`);
});

Deno.test("ObjectRewriter passes on an object that is too long to be looked at", () => {
  const rewriter = new ObjectRewriter(() => utf8("{}"));
  const long = utf8(`"${"x".repeat(17 * 1024 * 1024)}"`);
  const chunks = [utf8(`{"items":[{"a":`), long, utf8(`,"b":{"c":1}},{"d":1}]}`)];
  const shown = chunks.map((chunk) => text(rewriter.push(chunk)));
  assert.equal(shown.join(""), `{"items":[{"a":${text(long)},"b":{"c":1}},{}]}`);
});
