import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonValue } from "../../../tests/testing/arbitraries.ts";
import { endpointLabel, toEndpointSliceFacts } from "./endpoint_slice_facts.ts";
import { toNamespaceFacts } from "./namespace_facts.ts";
import { toPodFacts } from "./pod_facts.ts";
import { toServiceFacts } from "./service_facts.ts";

Deno.test.each([
  { ip: "10.11.12.13", hostname: "", pod: "", podNames: false, want: "10-11-12-13" },
  { ip: "10.11.12.13", hostname: "epname", pod: "", podNames: false, want: "epname" },
  { ip: "10.11.12.13", hostname: "", pod: "hello-abcde", podNames: false, want: "10-11-12-13" },
  { ip: "10.11.12.13", hostname: "epname", pod: "hello-abcde", podNames: false, want: "epname" },
  { ip: "10.11.12.13", hostname: "epname", pod: "hello-abcde", podNames: true, want: "epname" },
  { ip: "10.11.12.13", hostname: "", pod: "hello-abcde", podNames: true, want: "hello-abcde" },
  { ip: "10.11.12.13", hostname: "", pod: "", podNames: true, want: "10-11-12-13" },
  {
    ip: "2001:db8:3333:4444:5555:6666:7777:8888",
    hostname: "",
    pod: "",
    podNames: false,
    want: "2001-db8-3333-4444-5555-6666-7777-8888",
  },
  {
    ip: "2001:db8:3333:4444:5555:6666::",
    hostname: "",
    pod: "",
    podNames: false,
    want: "2001-db8-3333-4444-5555-6666--0",
  },
])(
  "S40 endpointLabel() of $ip, $hostname, $pod is $want",
  ({ ip, hostname, pod, podNames, want }) => {
    assert.equal(endpointLabel({ address: ip, hostname, pod }, podNames), want);
  },
);

const PODS_TOO = { podNames: true };

Deno.test.each([
  { name: "ready", conditions: { ready: true }, want: 1 },
  { name: "not ready", conditions: { ready: false }, want: 0 },
  { name: "of unknown readiness", conditions: {}, want: 1 },
  { name: "without conditions", conditions: undefined, want: 1 },
  { name: "terminating but serving", conditions: { ready: false, serving: true }, want: 0 },
])("S40 toEndpointSliceFacts() counts an endpoint that is $name", ({ conditions, want }) => {
  const { endpoints, notReady } = toEndpointSliceFacts({
    metadata: { namespace: "ns", name: "a", labels: { "kubernetes.io/service-name": "svc" } },
    endpoints: [{ addresses: ["10.0.0.1"], conditions }],
  }, PODS_TOO);
  assert.deepEqual([endpoints.length, notReady], [want, 1 - want]);
});

Deno.test("toEndpointSliceFacts() leaves out addresses and hostnames that are none", () => {
  const { endpoints } = toEndpointSliceFacts({
    metadata: { namespace: "ns", name: "a" },
    addressType: "FQDN",
    endpoints: [
      { addresses: ["a.example"] },
      {
        addresses: ["10.0.0.1", "10.0.0.01"],
        hostname: "a.b",
        targetRef: { name: "p".repeat(64) },
      },
    ],
  }, PODS_TOO);
  assert.deepEqual(endpoints, [{ address: "10.0.0.1", hostname: "", pod: "" }]);
});

Deno.test.each([
  { name: "keeps", podNames: true, want: "web-0" },
  { name: "leaves out", podNames: false, want: "" },
])("toEndpointSliceFacts() $name names of pods", ({ podNames, want }) => {
  const { endpoints } = toEndpointSliceFacts({
    metadata: { namespace: "ns", name: "a" },
    endpoints: [{ addresses: ["10.0.0.1"], targetRef: { kind: "Pod", name: "web-0" } }],
  }, { podNames });
  assert.deepEqual(endpoints, [{ address: "10.0.0.1", hostname: "", pod: want }]);
});

Deno.test("toServiceFacts() reads addresses in any spelling, and one where there is no list", () => {
  const of = (spec: unknown) =>
    toServiceFacts({ metadata: { namespace: "NS", name: "Svc" }, spec }).clusterIps;
  assert.deepEqual(of({ clusterIP: "10.0.0.1" }), ["10.0.0.1"]);
  assert.deepEqual(of({ clusterIP: "FD00:0::1", clusterIPs: ["FD00:0::1"] }), ["fd00::1"]);
  assert.deepEqual(of({ clusterIP: "" }), []);
  assert.deepEqual(of(undefined), []);
});

Deno.test("facts of any JSON are facts or a SyntaxError", () => {
  const placed = fc.record({
    metadata: fc.oneof(jsonValue, fc.constant({ namespace: "ns", name: "a" })),
    spec: jsonValue,
    status: jsonValue,
    endpoints: fc.oneof(jsonValue, fc.array(jsonValue)),
    ports: fc.oneof(jsonValue, fc.array(jsonValue)),
  });
  fc.assert(fc.property(fc.oneof(jsonValue, placed), (value) => {
    for (const read of [toServiceFacts, toEndpointSliceFacts, toNamespaceFacts, toPodFacts]) {
      try {
        read(value, PODS_TOO);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
      }
    }
  }));
});
