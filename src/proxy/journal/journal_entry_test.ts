import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations, utf8 } from "../../../tests/testing/arbitraries.ts";
import { formatEntry, parseEntry } from "./journal_entry.ts";

const text = fc.string({ unit: "grapheme", maxLength: 8 });
const entry = fc.record({
  verb: fc.constantFrom("create" as const, "patch" as const),
  caller: text,
  object: text,
  path: text,
  query: text,
  contentType: text,
  userAgent: text,
  body: fc.uint8Array({ maxLength: 20 }),
});

Deno.test("parseEntry() reads what formatEntry() wrote", () => {
  fc.assert(fc.property(entry, (entry) => {
    const read = parseEntry(formatEntry(entry));
    assert.deepEqual({ ...read, body: [...read.body] }, { ...entry, body: [...entry.body] });
  }));
});

Deno.test("parseEntry() reads any bytes or throws a SyntaxError", () => {
  const whole = formatEntry({
    verb: "create",
    caller: "identity:node",
    object: "default/web.1",
    path: "/api/v1/namespaces/default/events",
    query: "",
    contentType: "application/json",
    userAgent: "kubelet",
    body: utf8("{}\n"),
  });
  fc.assert(
    fc.property(mutations, (changes) => {
      try {
        parseEntry(mutate(whole, changes));
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test.each(["", "{}", "{}\n", "null\n", '{"verb":"delete"}\n'])(
  "parseEntry() throws a SyntaxError when the text is %j",
  (body) => assert.throws(() => parseEntry(utf8(body)), SyntaxError),
);
