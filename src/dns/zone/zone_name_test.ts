import assert from "node:assert/strict";
import fc from "fast-check";
import { dnsName } from "../../../tests/testing/dns_messages.ts";
import { parseSelection, parseZoneName, podAddressText } from "./zone_name.ts";

const web = { kind: "service", namespace: "ns", service: "web" };

Deno.test.each([
  { base: "", want: { kind: "apex" } },
  { base: "svc", want: { kind: "branch" } },
  { base: "pod", want: { kind: "branch" } },
  { base: "dns-version", want: { kind: "version" } },
  { base: "ns.dns", want: { kind: "nameServer" } },
  { base: "ns.svc", want: { kind: "namespace", branch: "svc", namespace: "ns" } },
  { base: "ns.pod", want: { kind: "namespace", branch: "pod", namespace: "ns" } },
  { base: "web.ns.svc", want: { ...web, before: "" } },
  { base: "1-2-3-4.web.ns.svc", want: { ...web, before: "1-2-3-4" } },
  { base: "_http._tcp.web.ns.svc", want: { ...web, before: "_http._tcp" } },
  { base: "a.b.c.web.ns.svc", want: { kind: "unknown" } },
  { base: "1-2-3-4.ns.pod", want: { kind: "pod", namespace: "ns", pod: "1-2-3-4" } },
  { base: "x.1-2-3-4.ns.pod", want: { kind: "pod", namespace: "ns", pod: "1-2-3-4" } },
  { base: "too.long.for.what.i.am.trying.to.pod", want: { kind: "unknown" } },
  { base: "web.ns.pood", want: { kind: "unknown" } },
  { base: "foo", want: { kind: "unknown" } },
  { base: "dns", want: { kind: "unknown" } },
  { base: "x.dns-version", want: { kind: "unknown" } },
  { base: "xsvc", want: { kind: "unknown" } },
])('S40 parseZoneName("$base")', ({ base, want }) => {
  assert.deepEqual(parseZoneName(base), want);
});

Deno.test.each([
  { before: "", want: ["", "", ""] },
  { before: "1-2-3-4", want: ["1-2-3-4", "", ""] },
  { before: "_http._tcp", want: ["", "http", "tcp"] },
  { before: "http.tcp", want: ["", "http", "tcp"] },
  { before: "_._tcp", want: ["", "", "tcp"] },
])('S40 parseSelection("$before")', ({ before, want }) => {
  const { endpoint, port, protocol } = parseSelection(before);
  assert.deepEqual([endpoint, port, protocol], want);
});

Deno.test.each([
  { pod: "10-240-0-1", want: "10.240.0.1" },
  { pod: "fd00--1", want: "fd00::1" },
  { pod: "1--3-4", want: "1::3:4" },
  { pod: "1-2-3-4-5-6-7-8", want: "1:2:3:4:5:6:7:8" },
])("S40 podAddressText($pod) is $want", ({ pod, want }) => {
  assert.equal(podAddressText(pod), want);
});

Deno.test("parseZoneName() reads any name", () => {
  fc.assert(fc.property(dnsName, (name) => {
    for (const base of [name, `${name}.svc`, `${name}.pod`]) parseZoneName(base);
  }));
});
