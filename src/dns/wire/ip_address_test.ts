import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp, parseIp } from "./ip_address.ts";

Deno.test.each([
  { text: "10.0.0.1", want: "10.0.0.1" },
  { text: "1234:abcd::1", want: "1234:abcd::1" },
  { text: "::", want: "::" },
  { text: "::1", want: "::1" },
  { text: "2001:DB8:0:0:1:0:0:1", want: "2001:db8::1:0:0:1" },
  { text: "2001:db8:0:1:1:1:1:1", want: "2001:db8:0:1:1:1:1:1" },
  { text: "1::", want: "1::" },
  { text: "::ffff:10.0.0.1", want: "10.0.0.1" },
  { text: "64:ff9b::10.0.0.1", want: "64:ff9b::a00:1" },
])("parseIp() reads $text", ({ text, want }) => {
  assert.equal(formatIp(parseIp(text)!), want);
});

Deno.test.each([
  "",
  "10.0.0",
  "10.0.0.256",
  "10.0.0.01",
  "10.0.0.1.",
  "10.0.0.1 ",
  "a.b.c.d",
  ":",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7::8:9",
  "12345::",
  "10.0.0.1::",
  "::g",
])("parseIp() refuses %s", (text) => {
  assert.equal(parseIp(text), undefined);
});

Deno.test("formatIp() and parseIp() are each other's inverse", () => {
  const part = fc.constantFrom(0, 0, 1, 0x20, 0xff);
  fc.assert(fc.property(fc.array(part, { minLength: 16, maxLength: 16 }), (bytes) => {
    assert.deepEqual(parseIp(formatIp(bytes)), bytes);
  }));
});
