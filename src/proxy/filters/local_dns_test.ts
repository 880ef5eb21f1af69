import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FUZZ_RUNS,
  jsonValue,
  mutate,
  mutations,
  spaced,
  text,
  utf8,
} from "../../../tests/testing/arbitraries.ts";
import { createLocalDns } from "./local_dns.ts";

const CONFIG = {
  address: "169.254.20.10",
  service: "kube-system/kube-dns",
  identities: ["kube-proxy"],
};
const { show } = createLocalDns(CONFIG);

const OWN = [{
  addresses: ["169.254.20.10"],
  conditions: { ready: true, serving: true, terminating: false },
}];

const PORTS = [
  { name: "dns", protocol: "UDP", port: 53 },
  { name: "dns-tcp", protocol: "TCP", port: 53 },
  { name: "metrics", protocol: "TCP", port: 9153 },
];

/** A slice of kube-dns as the cloud has it, with other fields. */
const slice = (change: Record<string, unknown> = {}) => ({
  metadata: {
    name: "kube-dns-x7k2p",
    namespace: "kube-system",
    resourceVersion: "42",
    labels: { "k8s-app": "kube-dns", "kubernetes.io/service-name": "kube-dns" },
  },
  addressType: "IPv4",
  endpoints: [
    {
      addresses: ["10.244.0.2"],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: "Pod", name: "coredns-1" },
      nodeName: "cloud-1",
      zone: "a",
      hints: { forZones: [{ name: "a" }] },
    },
    { addresses: ["10.244.0.3"], conditions: { ready: false }, nodeName: "cloud-2" },
  ],
  ports: PORTS,
  ...change,
});

const metadata = (change: Record<string, unknown>) => ({
  metadata: { ...slice().metadata, ...change },
});

Deno.test.each([
  { name: "pods of CoreDNS in the cloud", change: {} },
  { name: "no endpoint", change: { endpoints: [] } },
  { name: "null for endpoints", change: { endpoints: null } },
  { name: "a kind, as it stands alone", change: { kind: "EndpointSlice", apiVersion: "v1" } },
])("localDns shows a slice of the Service with $name as the server on this node", ({ change }) => {
  const before = slice(change);
  const shown = show(utf8(JSON.stringify(before)));
  assert.deepEqual(JSON.parse(text(shown)), { ...before, endpoints: OWN });
});

Deno.test.each([
  { address: "169.254.20.10", addressType: "IPv6" },
  { address: "169.254.20.10", addressType: "FQDN" },
  { address: "fd00::53", addressType: "IPv4" },
])("localDns at $address shows no endpoint of $addressType", ({ address, addressType }) => {
  const before = slice({ addressType });
  const shown = createLocalDns({ ...CONFIG, address }).show(utf8(JSON.stringify(before)));
  assert.deepEqual(JSON.parse(text(shown)), { ...before, endpoints: [] });
});

Deno.test("localDns at an address of IPv6 shows it", () => {
  const before = utf8(JSON.stringify(slice({ addressType: "IPv6" })));
  const shown = createLocalDns({ ...CONFIG, address: "fd00::53" }).show(before);
  assert.deepEqual(JSON.parse(text(shown)).endpoints[0].addresses, ["fd00::53"]);
});

/** Objects that must be passed on as they are. */
const OTHERS: { name: string; object: unknown }[] = [
  {
    name: "another Service",
    object: slice(metadata({ labels: { "kubernetes.io/service-name": "web" } })),
  },
  { name: "the same name elsewhere", object: slice(metadata({ namespace: "default" })) },
  { name: "no Service", object: slice(metadata({ labels: { "k8s-app": "kube-dns" } })) },
  { name: "no labels", object: slice(metadata({ labels: null })) },
  { name: "labels that are none", object: slice(metadata({ labels: "kube-dns" })) },
  { name: "no metadata", object: slice({ metadata: null }) },
  { name: "metadata alone", object: metadata({}) },
  { name: "no ports", object: slice({ ports: null }) },
  {
    name: "a port that the server has not",
    object: slice({ ports: [{ name: "dns", port: 5353 }] }),
  },
  { name: "ports that are none", object: slice({ ports: [null, 53, "53"] }) },
  { name: "a Status", object: { kind: "Status", metadata: {}, code: 410 } },
];

Deno.test.each(OTHERS)("localDns passes on $name as it is", ({ object }) => {
  const bytes = utf8(JSON.stringify(object));
  assert.equal(show(bytes), bytes);
});

Deno.test("localDns passes on any JSON and any bytes as they are, and never throws", () => {
  const spaces = fc.constantFrom("", " ", "\t");
  fc.assert(
    fc.property(jsonValue, spaces, mutations, (value, space, changes) => {
      const bytes = mutate(utf8(spaced(value, space)), changes);
      assert.equal(show(bytes), bytes);
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("localDns changes nothing but the endpoints, whatever else is in a slice", () => {
  fc.assert(
    fc.property(jsonValue, jsonValue, fc.constantFrom("", " "), (extra, endpoints, space) => {
      const before = { extra, ...slice({ endpoints }), last: extra };
      const shown = show(utf8(spaced(before, space)));
      // As JSON has it: -0 is 0.
      const want = JSON.parse(JSON.stringify({ ...before, endpoints: OWN }));
      assert.deepEqual(JSON.parse(text(shown)), want);
    }),
    { numRuns: FUZZ_RUNS / 10 },
  );
});

Deno.test("localDns never throws on a slice that is damaged", () => {
  const bytes = utf8(JSON.stringify(slice()));
  fc.assert(
    fc.property(mutations, (changes) => void show(mutate(bytes, changes))),
    { numRuns: FUZZ_RUNS },
  );
});
