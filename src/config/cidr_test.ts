import assert from "node:assert/strict";
import { containsAddress, containsNetwork, formatCidr, parseCidr } from "./cidr.ts";

Deno.test.each([
  { text: "10.42.0.0/16", family: 4, address: "10.42.0.0", prefixLength: 16 },
  { text: "192.168.1.7/32", family: 4, address: "192.168.1.7", prefixLength: 32 },
  { text: "0.0.0.0/0", family: 4, address: "0.0.0.0", prefixLength: 0 },
  { text: "fd00::/8", family: 6, address: "fd00::", prefixLength: 8 },
  { text: "::/0", family: 6, address: "::", prefixLength: 0 },
  { text: "2001:db8::1/128", family: 6, address: "2001:db8::1", prefixLength: 128 },
])("parseCidr() reads $text and formatCidr() writes it", ({ text, ...want }) => {
  const got = parseCidr(text);
  assert.deepEqual(got, want);
  assert.equal(formatCidr(got), text);
});

Deno.test.each([
  { text: "", why: /must be a network/ },
  { text: "10.0.0.0", why: /must be a network/ },
  { text: "10.0.0/8", why: /must be a network/ },
  { text: "10.0.0.0/", why: /must be a network/ },
  { text: "10.0.0.0/8/8", why: /must be a network/ },
  { text: "10.0.0.0/-1", why: /must be a network/ },
  { text: "node/8", why: /must be a network/ },
  { text: "::ffff:10.0.0.0/104", why: /must be a network/ },
  { text: "10.0.0.0/33", why: /at most 32/ },
  { text: "fd00::/129", why: /at most 128/ },
  { text: "10.42.0.1/16", why: /behind \/16/ },
  { text: "fd00::1/64", why: /behind \/64/ },
])("parseCidr() refuses '$text'", ({ text, why }) => {
  assert.throws(() => parseCidr(text), (e) => e instanceof SyntaxError && why.test(e.message));
});

Deno.test("parseCidr() takes the address of a host for its network when told to", () => {
  const options = { hostBits: "ignored" } as const;
  assert.deepEqual(parseCidr("10.244.1.1/24", options), {
    family: 4,
    address: "10.244.1.1",
    prefixLength: 24,
  });
});

Deno.test.each([
  { outer: "10.0.0.0/8", inner: "10.244.1.1/24", want: true },
  { outer: "10.244.1.0/24", inner: "10.244.1.0/24", want: true },
  { outer: "10.244.1.0/24", inner: "10.244.2.0/24", want: false },
  { outer: "10.244.1.0/24", inner: "10.244.0.0/16", want: false },
  { outer: "0.0.0.0/0", inner: "fd00::/64", want: false },
  { outer: "fd00::/56", inner: "fd00:0:0:ff::1/64", want: true },
  { outer: "fd00::/56", inner: "fd00:0:0:100::/64", want: false },
])("containsNetwork() says $want of $inner in $outer", ({ outer, inner, want }) => {
  const of = (text: string) => parseCidr(text, { hostBits: "ignored" });
  assert.equal(containsNetwork(of(outer), of(inner)), want);
});

Deno.test("containsAddress() says no to what is no address of the family", () => {
  const network = parseCidr("0.0.0.0/0");
  assert.equal(containsAddress(network, "10.0.0.256"), false);
  assert.equal(containsAddress(network, "::1"), false);
  assert.equal(containsAddress(network, "10.0.0.1"), true);
});
