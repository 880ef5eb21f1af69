import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FUZZ_RUNS,
  jsonKey,
  jsonValue,
  mutate,
  mutations,
  spaced,
  text,
  utf8,
} from "../../../tests/testing/arbitraries.ts";
import { concatBytes, formatJson, parseJson, scanObject } from "./json.ts";

const object = fc.dictionary(jsonKey, jsonValue, { maxKeys: 5, noNullPrototype: true });

const values = (bytes: Uint8Array) =>
  Object.fromEntries(
    [...scanObject(bytes)].map(([key, range]) => [key, parseJson(bytes.subarray(...range))]),
  );

Deno.test("scanObject() finds the keys and values that JSON.parse finds", () => {
  fc.assert(fc.property(object, fc.constantFrom("", " ", "\n", "\t"), (object, space) => {
    assert.deepEqual(values(utf8(` ${spaced(object, space)}\r\n`)), object);
  }));
});

Deno.test("scanObject() finds an object or throws a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(object, mutations, (object, changes) => {
      const bytes = mutate(utf8(JSON.stringify(object)), changes);
      try {
        for (const [, [start, end]] of scanObject(bytes)) {
          assert.ok(0 < start && start < end && end < bytes.length);
        }
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
        assert.throws(() => {
          const value = JSON.parse(text(bytes));
          if (value === null || typeof value !== "object" || Array.isArray(value)) throw value;
        }, "it refuses what JSON.parse takes for an object");
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test.each([
  "",
  "{",
  "}",
  "[]",
  '"a"',
  "null",
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{"a":1 "b":2}',
  '{"a":"x}',
  '{"a":[1}',
  '{"a":1}}',
  '{"a":1}{}',
  "{a:1}",
])("scanObject() throws a SyntaxError when the bytes are %s", (json) => {
  assert.throws(() => scanObject(utf8(json)), SyntaxError);
});

Deno.test("scanObject() keeps the order of the keys", () => {
  assert.deepEqual([...scanObject(utf8('{"b":1,"a":{"c":2}}')).keys()], ["b", "a"]);
});

Deno.test("parseJson() throws a SyntaxError when the bytes are no UTF-8", () => {
  assert.throws(() => parseJson(Uint8Array.of(0x22, 0xc3, 0x22)), SyntaxError);
});

Deno.test("parseJson() reads what formatJson() wrote", () => {
  fc.assert(fc.property(jsonValue, (value) => {
    assert.deepEqual(parseJson(formatJson(value)), value);
  }));
});

Deno.test("concatBytes() joins any number of parts and copies none when there is one", () => {
  const part = Uint8Array.of(1, 2);
  assert.equal(concatBytes([part]), part);
  assert.deepEqual(concatBytes([part, new Uint8Array(0), part]), Uint8Array.of(1, 2, 1, 2));
  assert.deepEqual(concatBytes([]), new Uint8Array(0));
});
