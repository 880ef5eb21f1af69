import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations, utf8 } from "../../tests/testing/arbitraries.ts";
import { formatHead, headLength, parseResponseHead, valuesOf } from "./http_head.ts";

const ANSWER =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nconnection:\tUpgrade \r\n\r\n";

const name = fc.stringMatching(/^[A-Za-z0-9-]{1,12}$/);
/** What stands in a line without being part of its value would be taken off. */
const value = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f)
    .filter((code) => code < 0x80 || code >= 0xa0).map((code) => String.fromCharCode(code)),
})
  .map((text) => text.trim());

Deno.test("parseResponseHead() reads status, text and headers in their order", () => {
  assert.deepEqual(parseResponseHead(utf8(ANSWER)), {
    status: 101,
    statusText: "Switching Protocols",
    headers: [["Upgrade", "SPDY/3.1"], ["connection", "Upgrade"]],
  });
  assert.deepEqual(parseResponseHead(utf8("HTTP/1.0 204\r\n\r\n")), {
    status: 204,
    statusText: "",
    headers: [],
  });
});

Deno.test.each([
  { name: "nothing", text: "" },
  { name: "HTTP/2", text: "HTTP/2 200 OK\r\n\r\n" },
  { name: "a request", text: "GET / HTTP/1.1\r\n\r\n" },
  { name: "a status of two digits", text: "HTTP/1.1 20 OK\r\n\r\n" },
  { name: "a line without a colon", text: "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n" },
  { name: "a folded line", text: "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n" },
  { name: "a space before the colon", text: "HTTP/1.1 200 OK\r\na : b\r\n\r\n" },
  { name: "a bare line feed", text: "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n" },
  { name: "a NUL", text: "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n" },
])("parseResponseHead() throws for $name", ({ text }) => {
  assert.throws(() => parseResponseHead(utf8(text)), SyntaxError);
});

Deno.test("parseResponseHead() reads back what formatHead() wrote", () => {
  fc.assert(fc.property(fc.array(fc.tuple(name, value)), (headers) => {
    const bytes = formatHead("HTTP/1.1 200 OK", headers);
    assert.equal(headLength(bytes), bytes.length);
    assert.deepEqual(parseResponseHead(bytes).headers, headers);
  }));
});

Deno.test("parseResponseHead() gives a head or a SyntaxError for any bytes", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    mutations.map((changes) => mutate(utf8(ANSWER), changes)),
  );
  fc.assert(
    fc.property(bytes, (any) => {
      try {
        const { status } = parseResponseHead(any);
        assert.ok(status >= 100 && status <= 999);
      } catch (error) {
        assert.ok(error instanceof SyntaxError);
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("formatHead() lets nothing break out of its line", () => {
  for (const bad of ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "\u0130"]) {
    assert.throws(() => formatHead("GET / HTTP/1.1", [["x", bad]]), SyntaxError);
    assert.throws(() => formatHead("GET / HTTP/1.1", [[bad, "x"]]), SyntaxError);
    assert.throws(() => formatHead(`GET /${bad} HTTP/1.1`, []), SyntaxError);
  }
});

Deno.test("formatHead() does not tell the value that it refuses", () => {
  assert.throws(
    () => formatHead("GET / HTTP/1.1", [["authorization", "Bearer secret\n"]]),
    (error: Error) => error.message.includes("authorization") && !error.message.includes("secret"),
  );
});

Deno.test.each([
  { text: "", want: undefined },
  { text: "HTTP/1.1 200 OK\r\n", want: undefined },
  { text: "HTTP/1.1 200 OK\r\n\r", want: undefined },
  { text: "HTTP/1.1 200 OK\r\n\r\nrest\r\n\r\n", want: 19 },
  { text: "\r\n\r\n", want: 4 },
])("headLength() of %j", ({ text, want }) => assert.equal(headLength(utf8(text)), want));

Deno.test("valuesOf() finds a header by its name in any case", () => {
  assert.deepEqual(valuesOf([["A", "1"], ["b", "2"], ["a", "3"]], "a"), ["1", "3"]);
});
