import assert from "node:assert/strict";
import { DnsConfig } from "./config.ts";

Deno.test("DnsConfig has defaults for everything", () => {
  const { zone, listen, forward, search } = DnsConfig.parse({});
  assert.deepEqual([zone, listen.hostname, search], ["cluster.local", "169.254.20.10", false]);
  assert.deepEqual(forward.upstreams, []);
});

Deno.test.each([
  { path: "zone", section: { zone: "." } },
  { path: "reverseZones.0", section: { reverseZones: ["example.com"] } },
  { path: "reverseZones.1", section: { reverseZones: ["10.in-addr.arpa", "a..b"] } },
  { path: "listen", section: { listen: "localhost:53" } },
  {
    path: "forward.upstreams.1",
    section: { forward: { upstreams: ["[::1]:53", "ns.example:53"] } },
  },
  {
    path: "forward.stubDomains.0.upstreams.0",
    section: { forward: { stubDomains: [{ zone: "corp", upstreams: ["ns.corp:53"] }] } },
  },
  { path: "ttl", section: { ttl: "1500ms" } },
  { path: "device", section: { device: "a name" } },
  { path: "forward.deadline", section: { forward: { deadline: "99ms" } } },
  { path: "forward.upstreams.0", section: { forward: { upstreams: ["10.0.0.1:0"] } } },
  {
    path: "forward.stubDomains.0.upstreams.0",
    section: { forward: { stubDomains: [{ zone: "corp", upstreams: ["10.0.0.1:0"] }] } },
  },
  {
    path: "forward.stubDomains.0.zone",
    section: {
      zone: "edge.local",
      forward: { stubDomains: [{ zone: "a..b", upstreams: ["10.0.0.1:53"] }] },
    },
  },
  { path: "cache.maxTtl", section: { cache: { maxTtl: "90d" } } },
  { path: "cache.maxNegativeTtl", section: { cache: { maxNegativeTtl: "7d1ms" } } },
])("DnsConfig refuses $path where it is written", ({ path, section }) => {
  const { error } = DnsConfig.safeParse(section);
  assert.deepEqual(error?.issues.map((issue) => issue.path.join(".")), [path]);
});

Deno.test.each([
  { name: "the root", zones: ["."], at: 0, message: /must not be the root.*upstreams/ },
  { name: "a zone that is there already", zones: ["a.b", "c", "A.b."], at: 2, message: /twice/ },
  { name: "the cluster's zone", zones: ["corp", "Edge.Local."], at: 1, message: /"edge\.local"/ },
  { name: "a zone in the cluster's", zones: ["x.edge.local"], at: 0, message: /"edge\.local"/ },
  {
    name: "a zone in one of reverseZones",
    zones: ["1.96.10.in-addr.arpa"],
    at: 0,
    message: /"96\.10\.in-addr\.arpa"/,
  },
])("DnsConfig refuses $name as a stub domain, which would never be asked for", (each) => {
  const upstreams = ["10.0.0.53:53"];
  const { error } = DnsConfig.safeParse({
    zone: "edge.local",
    reverseZones: ["96.10.in-addr.arpa"],
    forward: { stubDomains: each.zones.map((zone) => ({ zone, upstreams })) },
  });
  assert.deepEqual(error?.issues.map((issue) => issue.path.join(".")), [
    `forward.stubDomains.${each.at}.zone`,
  ]);
  assert.match(error.issues[0]!.message, each.message);
});

Deno.test("DnsConfig takes stub domains beside and above the cluster's zone", () => {
  const stubDomains = ["local", "edge-local", "10.in-addr.arpa"].map((zone) => ({
    zone,
    upstreams: ["10.0.0.53:53"],
  }));
  const section = { zone: "edge.local", reverseZones: ["96.10.in-addr.arpa"] };
  assert.ok(DnsConfig.safeParse({ ...section, forward: { stubDomains } }).success);
});
