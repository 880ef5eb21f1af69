import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ask,
  type Endpoint,
  HTTP,
  SERIAL,
  service,
  slice,
  zoneOf,
} from "../../../tests/testing/dns_cluster.ts";
import { formatIp } from "../wire/ip_address.ts";
import { addressOfReverse, reverseNameOf } from "./reverse_name.ts";

const named = (name: string, ip: string): Endpoint => ({ addresses: [ip], hostname: name });

const ZONE = zoneOf({
  namespaces: ["testns"],
  services: [service("testns", "svc1", { clusterIP: "192.168.1.100", ports: [HTTP] })],
  slices: [
    slice("testns", "svc1-a", "svc1", [
      named("ep1a", "10.0.0.100"),
      named("double-ep", "10.0.0.99"),
      named("clash", "192.168.1.100"),
    ], [HTTP]),
    slice("testns", "svc1-b", "svc1", [
      named("ep1b", "1234:abcd::1"),
      named("ip6svc1ex", "fd00:77:30::a"),
      named("ip6svc1in", "fd00:77:30::2:9ba6"),
    ], [HTTP]),
    slice("testns", "svc1-c", "svc1", [named("ep1a", "10.0.0.100")], [HTTP]),
    slice("testns", "svc2-a", "svc2", [named("double-ep", "10.0.0.99")], [HTTP]),
  ],
}, {
  reverseZones: [
    "0.10.in-addr.arpa.",
    "168.192.in-addr.arpa.",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa.",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa.",
  ],
});

Deno.test.each([
  { ask: "100.0.0.10.in-addr.arpa PTR", want: ["ep1a.svc1"] },
  { ask: "100.1.168.192.in-addr.arpa PTR", want: ["svc1"] },
  {
    ask: "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa PTR",
    want: ["ep1b.svc1"],
  },
  {
    ask: "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa PTR",
    want: ["ip6svc1ex.svc1"],
  },
  { ask: `${reverseNameOf("fd00:77:30::2:9ba6")} PTR`, want: ["ip6svc1in.svc1"] },
  { ask: "99.0.0.10.in-addr.arpa PTR", want: ["double-ep.svc1", "double-ep.svc2"] },
  { ask: "101.0.0.10.in-addr.arpa PTR", want: "NXDOMAIN" },
  { ask: "svc1.testns.svc.0.10.in-addr.arpa A", want: "NXDOMAIN" },
  { ask: "100.0.0.10.in-addr.arpa A", want: "NODATA" },
  { ask: "0.10.in-addr.arpa PTR", want: "NODATA" },
  { ask: "0.0.10.in-addr.arpa PTR", want: "NXDOMAIN" },
  { ask: "256.0.0.10.in-addr.arpa PTR", want: "NXDOMAIN" },
  { ask: "100.0.0.11.in-addr.arpa PTR", want: "ELSEWHERE" },
  { ask: "100.0.0.11.in-addr.arpa A", want: "ELSEWHERE" },
  { ask: "svc1.testns.svc.cluster.local PTR", want: "NODATA" },
])("S40 reverse: $ask", ({ ask: question, want }) => {
  const got = ask(ZONE, question);
  if (typeof want === "string") assert.equal(got.outcome, want);
  else {
    assert.deepEqual(
      got.answers.map((record) => record.split(" ").at(-1)),
      want.map((name) => `${name}.testns.svc.cluster.local.`),
    );
  }
});

Deno.test("S40 a negative reverse answer has the SOA record of its reverse zone", () => {
  const zone = "0.10.in-addr.arpa.";
  assert.deepEqual(ask(ZONE, "101.0.0.10.in-addr.arpa PTR").authorities, [
    `${zone} 5 IN SOA ns.dns.${zone} hostmaster.${zone} ${SERIAL} 7200 1800 86400 5`,
  ]);
});

Deno.test("reverseNameOf() and addressOfReverse() are each other's inverse", () => {
  const bytes = fc.constantFrom(4, 16).chain((length) =>
    fc.uint8Array({ minLength: length, maxLength: length })
  );
  fc.assert(fc.property(bytes, (each) => {
    const address = formatIp(each);
    assert.equal(addressOfReverse(reverseNameOf(address)), address);
  }));
});
