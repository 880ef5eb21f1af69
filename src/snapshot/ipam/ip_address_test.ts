import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { formatIp, parseIp } from "./ip_address.ts";

Deno.test.each([
  { text: "10.244.1.2", want: "10.244.1.2" },
  { text: "FD00:0:0:0::2", want: "fd00::2" },
  { text: "fd00:10:0:0:1:0:0:0", want: "fd00:10:0:0:1::" },
  { text: "2001:db8:0:1:1:1:1:1", want: "2001:db8:0:1:1:1:1:1" },
  { text: "::", want: "::" },
  { text: "::1", want: "::1" },
  { text: "1::", want: "1::" },
  { text: "::ffff:10.0.0.1", want: "10.0.0.1" },
  { text: "64:ff9b::10.0.0.1", want: "64:ff9b::a00:1" },
])("formatIp() spells $text as Go does", ({ text, want }) => {
  const ip = parseIp(text);
  assert.ok(ip);
  assert.equal(formatIp(ip), want);
});

Deno.test.each([
  "",
  "1.2.3",
  "1.2.3.4.5",
  "01.2.3.4",
  "256.1.1.1",
  ":::",
  "1::2::3",
  "fd00::g",
  "lock",
  "fe80::1%eth0",
])(
  "parseIp() refuses %j",
  (text) => assert.equal(parseIp(text), undefined),
);

Deno.test("formatIp() and parseIp() undo each other", () => {
  const address = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value })),
    fc.array(fc.constantFrom<bigint>(0n, 0n, 1n, 0xffffn, 0xabcdn), { minLength: 8, maxLength: 8 })
      .map((groups) => groups.reduce((sum, group) => sum << 16n | group, 0n))
      .filter((value) => value >> 32n !== 0xffffn)
      .map((value) => ({ family: 6 as const, value })),
  );
  fc.assert(fc.property(address, (ip) => {
    const text = formatIp(ip);
    assert.equal(isIP(text), ip.family);
    assert.deepEqual(parseIp(text), ip);
  }));
});

Deno.test("parseIp() takes what Node takes, but for zones", () => {
  const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/));
  fc.assert(fc.property(text, (text) => {
    assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, text);
  }));
});
