import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS } from "../../../tests/testing/arbitraries.ts";
import { ask, HTTP, service, slice, zoneOf } from "../../../tests/testing/dns_cluster.ts";
import { dnsName } from "../../../tests/testing/dns_messages.ts";
import { parseZoneOptions } from "./zone_options.ts";

Deno.test("parseZoneOptions() takes names with a final dot and in any case", () => {
  const { zone, reverseZones, ttlSeconds } = parseZoneOptions({
    zone: "Cluster.Local.",
    reverseZones: ["10.in-addr.arpa.", "43.10.In-Addr.arpa"],
  });
  assert.deepEqual([zone, ttlSeconds], ["cluster.local", 5]);
  assert.deepEqual(reverseZones, ["43.10.in-addr.arpa", "10.in-addr.arpa"]);
});

Deno.test.each([
  { name: "the root as zone", options: { zone: "." } },
  { name: "an empty label", options: { zone: "a..b" } },
  { name: "a zone that leaves no room for names", options: { zone: `${"a".repeat(58)}.b` } },
  { name: "a reverse zone that is none", options: { reverseZones: ["example.com"] } },
])("parseZoneOptions() refuses $name", ({ options }) => {
  assert.throws(() => parseZoneOptions(options), SyntaxError);
});

Deno.test("the longest names of the longest zone can be answered", () => {
  const [label, zoneName] = ["l".repeat(63), "z".repeat(57)];
  const zone = zoneOf({
    services: [service(label, label, { clusterIP: "None" })],
    slices: [slice(label, "a", label, [{ addresses: ["10.0.0.1"], hostname: label }], [HTTP])],
  }, { zone: zoneName });
  const name = `${label}.${label}.svc.${zoneName}`;
  assert.equal(ask(zone, `${name} SRV`).additionals[0], `${label}.${name}. 5 IN A 10.0.0.1`);
  assert.equal(ask(zone, "1.0.0.10.in-addr.arpa PTR").answers.length, 1);
});

Deno.test("S43 the zone answers any name and type", () => {
  const zone = zoneOf({
    services: [
      service("svc", "a", { clusterIP: "10.0.0.1", ports: [HTTP] }),
      service("svc", "x-1", { clusterIP: "None" }),
      service("svc", "cluster", { type: "ExternalName", externalName: "a.svc.svc.cluster.local" }),
    ],
    slices: [slice("svc", "s", "x-1", [{ addresses: ["10.0.0.2"], hostname: "a" }], [HTTP])],
  }, { pods: "insecure" });
  const suffix = fc.constantFrom("", ".svc.svc.cluster.local", ".pod.cluster.local", ".ip6.arpa");
  fc.assert(
    fc.property(dnsName, suffix, fc.nat(300), (name, suffix, type) => {
      const question = `${name}${suffix}`.replace(/^\./, "");
      if (question.replaceAll(/\\\d{3}/g, "x").length > 253) return;
      ask(zone, `${question || "."} TYPE${type}`);
    }),
    { numRuns: Math.ceil(FUZZ_RUNS / 10) },
  );
});

Deno.test("parseZoneOptions() takes only addresses that somebody can ask for name servers", () => {
  const { nameServers } = parseZoneOptions({
    nameServers: ["localhost", "0.0.0.0", "::", "FD00:0::10", "169.254.20.10"],
  });
  assert.deepEqual(nameServers, ["fd00::10", "169.254.20.10"]);
});
