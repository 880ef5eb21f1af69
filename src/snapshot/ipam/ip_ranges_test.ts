import assert from "node:assert/strict";
import { parseIp } from "./ip_address.ts";
import { capacityOf, isUsable, parseRanges } from "./ip_ranges.ts";

const usable = (ranges: unknown, ip: string) =>
  parseRanges({ ipam: { ranges: [ranges] } }).some((set) => isUsable(set, parseIp(ip)!));

Deno.test.each([
  { ip: "10.244.1.2", want: true },
  { ip: "10.244.1.254", want: true },
  { ip: "10.244.1.0", want: false },
  { ip: "10.244.1.1", want: false },
  { ip: "10.244.1.255", want: false },
  { ip: "10.244.2.2", want: false },
  { ip: "fd00::2", want: false },
])("isUsable() of $ip in 10.244.1.0/24 is $want", ({ ip, want }) => {
  assert.equal(usable([{ subnet: "10.244.1.0/24" }], ip), want);
});

Deno.test("isUsable() goes by rangeStart, rangeEnd and gateway", () => {
  const range = {
    subnet: "fd00::/64",
    rangeStart: "fd00::10",
    rangeEnd: "fd00::20",
    gateway: "fd00::15",
  };
  const wants = {
    "fd00::f": false,
    "fd00::10": true,
    "fd00::15": false,
    "fd00::20": true,
    "fd00::21": false,
  };
  for (const [ip, want] of Object.entries(wants)) assert.equal(usable([range], ip), want, ip);
});

Deno.test("parseRanges() takes runtimeConfig, the single subnet and ranges, in host-local's order", () => {
  const sets = parseRanges({
    runtimeConfig: { ipRanges: [[{ subnet: "10.1.0.0/24" }]] },
    ipam: { subnet: "10.2.0.0/24", ranges: [[{ subnet: "10.3.0.0/24" }]] },
  });
  assert.deepEqual(sets.map(([range]) => range!.network), [0x0a010000n, 0x0a020000n, 0x0a030000n]);
});

Deno.test.each([
  undefined,
  {},
  { subnet: "nonsense" },
  { subnet: "10.0.0.0/31" },
  { subnet: "10.0.0.0/24", gateway: "fd00::1" },
  { subnet: 7 },
])("parseRanges() leaves the range %j to host-local", (range) => {
  assert.deepEqual(parseRanges({ ipam: { ranges: [[range]] } }), []);
});

Deno.test("capacityOf() counts what containers get", () => {
  const capacity = (subnet: string) => capacityOf(parseRanges({ ipam: { subnet } })[0]!);
  assert.equal(capacity("10.244.1.0/24"), 253n);
  assert.equal(capacity("10.244.1.0/30"), 1n);
  assert.equal(capacity("fd00::/64"), 2n ** 64n - 2n);
});
