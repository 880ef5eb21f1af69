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
])("DnsConfig refuses $path where it is written", ({ path, section }) => {
  const { error } = DnsConfig.safeParse(section);
  assert.deepEqual(error?.issues.map((issue) => issue.path.join(".")), [path]);
});
