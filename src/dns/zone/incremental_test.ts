import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS } from "../../../tests/testing/arbitraries.ts";
import {
  ask,
  HTTP,
  pod,
  SERIAL,
  service,
  slice,
  zoneOf,
} from "../../../tests/testing/dns_cluster.ts";
import type { FactsKind, FactsOf, ZoneChange } from "./cluster_state.ts";
import { ClusterZone } from "./cluster_zone.ts";
import { toEndpointSliceFacts } from "./endpoint_slice_facts.ts";
import { toPodFacts } from "./pod_facts.ts";
import { reverseNameOf } from "./reverse_name.ts";
import { toServiceFacts } from "./service_facts.ts";

const NAMESPACES = ["n1", "n2"];
const SERVICES = ["a", "b"];
const ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"];

const namespace = fc.constantFrom(...NAMESPACES);
const address = fc.constantFrom(...ADDRESSES);
const port = fc.constantFrom(HTTP, { name: "dns", protocol: "UDP", port: 53 });

const change: fc.Arbitrary<ZoneChange> = fc.oneof(
  fc.record({
    place: fc.tuple(namespace, fc.constantFrom(...SERVICES)),
    spec: fc.option(fc.oneof(
      fc.record({
        clusterIPs: fc.uniqueArray(address, { minLength: 1, maxLength: 2 }),
        ports: fc.array(port, { maxLength: 2 }),
      }),
      fc.constant({ clusterIP: "None" }),
      fc.record({
        type: fc.constant("ExternalName"),
        externalName: fc.constantFrom("a.n1.svc.cluster.local", "b.n2.svc.cluster.local", "x.y"),
      }),
    )),
  }).map(({ place: [ns, name], spec }): ZoneChange => ({
    kind: "service",
    key: `${ns}/${name}`,
    facts: spec === null ? undefined : toServiceFacts(service(ns, name, spec)),
  })),
  fc.record({
    place: fc.tuple(namespace, fc.constantFrom("s1", "s2", "s3")),
    owner: fc.constantFrom(...SERVICES),
    endpoints: fc.option(fc.array(
      fc.record({
        addresses: address.map((each) => [each]),
        hostname: fc.constantFrom(undefined, "h"),
        conditions: fc.constantFrom({}, { ready: false }),
      }),
      { maxLength: 3 },
    )),
    ports: fc.constantFrom([HTTP], undefined),
  }).map(({ place: [ns, name], owner, endpoints, ports }): ZoneChange => ({
    kind: "endpointSlice",
    key: `${ns}/${name}`,
    facts: endpoints === null
      ? undefined
      : toEndpointSliceFacts(slice(ns, name, owner, endpoints, ports), { podNames: true }),
  })),
  fc.record({ name: namespace, there: fc.boolean() }).map(({ name, there }): ZoneChange => ({
    kind: "namespace",
    key: name,
    facts: there ? { name } : undefined,
  })),
  fc.record({ ns: namespace, name: fc.constantFrom("p1", "p2"), ip: fc.option(address) }).map((
    { ns, name, ip },
  ): ZoneChange => ({
    kind: "pod",
    key: `${ns}/${name}`,
    facts: ip === null ? undefined : toPodFacts(pod(ns, name, ip)),
  })),
);

const QUESTIONS = [
  ...NAMESPACES.flatMap((ns) => [
    `${ns}.svc.cluster.local A`,
    `${ns}.pod.cluster.local A`,
    `10-0-0-1.${ns}.pod.cluster.local A`,
    ...SERVICES.flatMap((name) =>
      ["", "_http._tcp.", "h.", "10-0-0-1.", "fd00--1."].flatMap((before) =>
        ["A", "AAAA", "SRV", "CNAME", "ANY"].map((type) =>
          `${before}${name}.${ns}.svc.cluster.local ${type}`
        )
      )
    ),
  ]),
  ...ADDRESSES.map((each) => `${reverseNameOf(each)} PTR`),
  "cluster.local NS",
];

const byKey = ([a]: [string, unknown], [b]: [string, unknown]) => a < b ? -1 : 1;

const OPTIONS = {
  pods: "verified" as const,
  nameServers: ["10.0.0.3"],
  reverseZones: ["10.in-addr.arpa"],
};

/** A zone of the objects that a sequence of changes leaves. */
function afresh(changes: readonly ZoneChange[]): ClusterZone {
  const zone = zoneOf({ pods: [] }, OPTIONS);
  const last = new Map(changes.map((each) => [`${each.kind} ${each.key}`, each]));
  for (const kind of ["pod", "endpointSlice", "namespace", "service"] as FactsKind[]) {
    const there = [...last.values()].flatMap((each) =>
      each.kind === kind && each.facts !== undefined ? [[each.key, each.facts] as const] : []
    );
    zone.replace(kind, new Map(there) as ReadonlyMap<string, FactsOf[typeof kind]>);
  }
  return zone;
}

Deno.test("S44 changes one by one lead to the answers of a zone made afresh", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
      const zone = zoneOf({ pods: [] }, OPTIONS);
      for (const [i, each] of changes.entries()) {
        zone.apply(each);
        // What was asked in between must not be remembered for longer than it is true.
        ask(zone, QUESTIONS[(i * 7) % QUESTIONS.length]!);
        if (each.kind === "service") {
          ask(zone, `${each.key.split("/").reverse().join(".")}.svc.cluster.local A`);
        }
      }
      const fresh = afresh(changes);
      for (const question of QUESTIONS) {
        assert.deepEqual(ask(zone, question), ask(fresh, question), question);
        assert.deepEqual(ask(zone, question), ask(fresh, question), `${question}, again`);
      }
      for (const kind of ["service", "endpointSlice", "namespace", "pod"] as const) {
        assert.deepEqual(
          [...zone.state.facts(kind)].sort(byKey),
          [...fresh.state.facts(kind)].sort(byKey),
        );
      }
    }),
    { numRuns: Math.ceil(FUZZ_RUNS / 50) },
  );
});

Deno.test("S44 a change is answered at once, and what is gone is gone", () => {
  const zone = zoneOf({ namespaces: ["ns"] });
  const question = "web.ns.svc.cluster.local A";
  const apply = (facts: FactsOf["service"] | undefined) =>
    zone.apply({ kind: "service", key: "ns/web", facts });
  const web = (ip: string) =>
    toServiceFacts(service("ns", "web", { clusterIP: ip, ports: [HTTP] }));
  assert.equal(ask(zone, question).outcome, "NXDOMAIN");
  assert.equal(apply(web("10.0.0.1")), true);
  assert.deepEqual(ask(zone, question).answers, ["web.ns.svc.cluster.local. 5 IN A 10.0.0.1"]);
  assert.equal(apply(web("10.0.0.1")), false);
  assert.equal(apply(web("10.0.0.2")), true);
  assert.deepEqual(ask(zone, question).answers, ["web.ns.svc.cluster.local. 5 IN A 10.0.0.2"]);
  assert.equal(ask(zone, "1.0.0.10.in-addr.arpa PTR").outcome, "ELSEWHERE");
  assert.equal(apply(undefined), true);
  assert.equal(ask(zone, question).outcome, "NXDOMAIN");
  assert.equal(ask(zone, "2.0.0.10.in-addr.arpa PTR").outcome, "ELSEWHERE");
});

Deno.test("S44 the serial is the time of the last change that matters", () => {
  let now = SERIAL * 1000;
  const zone = new ClusterZone({}, { now: () => now });
  const serial = () => ask(zone, "cluster.local SOA").answers[0]!.split(" ")[6];
  const change: ZoneChange = { kind: "namespace", key: "ns", facts: { name: "ns" } };
  now += 10_000;
  zone.apply(change);
  assert.equal(serial(), String(SERIAL + 10));
  now += 10_000;
  zone.apply(change);
  assert.equal(serial(), String(SERIAL + 10));
});

Deno.test("S41 a zone of the facts of another, gone through JSON, answers as it does", () => {
  fc.assert(fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
    const zone = zoneOf({ pods: [] }, OPTIONS);
    for (const each of changes) zone.apply(each);
    const again = zoneOf({ pods: [] }, OPTIONS);
    for (const kind of ["service", "endpointSlice", "namespace", "pod"] as FactsKind[]) {
      again.replace(kind, new Map(JSON.parse(JSON.stringify([...zone.state.facts(kind)]))));
    }
    for (const question of QUESTIONS) assert.deepEqual(ask(again, question), ask(zone, question));
  }));
});
