import assert from "node:assert/strict";
import { HTTP, service, slice, zoneOf } from "../../../tests/testing/dns_cluster.ts";
import { parseType } from "../wire/record_type.ts";
import { explain, formatExplanation } from "./explain.ts";

const ZONE = zoneOf({
  namespaces: ["ns"],
  services: [
    service("ns", "web", { clusterIP: "10.0.0.1", ports: [HTTP] }),
    service("ns", "db", { clusterIP: "None" }),
    service("ns", "out", { type: "ExternalName", externalName: "example.com" }),
  ],
  slices: [slice("ns", "db-a", "db", [
    { addresses: ["10.1.0.1"], conditions: { ready: false } },
    { addresses: ["10.1.0.2"], conditions: { ready: false } },
  ], [HTTP])],
});

Deno.test.each([
  { ask: "web.ns.svc.cluster.local. A", outcome: "NOERROR", why: "Service ns/web" },
  { ask: "WEB.ns.svc.cluster.local AAAA", outcome: "NODATA", why: "no record of this type" },
  { ask: "wob.ns.svc.cluster.local A", outcome: "NXDOMAIN", why: "no Service ns/wob" },
  { ask: "web.sn.svc.cluster.local A", outcome: "NXDOMAIN", why: "no namespace sn" },
  { ask: "db.ns.svc.cluster.local A", outcome: "NXDOMAIN", why: "0 ready endpoints and 2 others" },
  { ask: "_x._tcp.web.ns.svc.cluster.local SRV", outcome: "NXDOMAIN", why: 'endpoint "_x._tcp"' },
  { ask: "out.ns.svc.cluster.local A", outcome: "CNAME", why: "for example.com; outside" },
  { ask: "example.com A", outcome: "ELSEWHERE", why: "not in cluster.local" },
])("explain() says of $ask that it is $outcome", ({ ask, outcome, why }) => {
  const [name = "", type = ""] = ask.split(" ");
  const explanation = explain(ZONE, name, parseType(type));
  assert.equal(explanation.outcome, outcome);
  assert.ok(explanation.why.includes(why), explanation.why);
  assert.ok(formatExplanation(explanation).includes(why));
});

Deno.test("explain() shows records as dig does", () => {
  const { records } = explain(ZONE, "web.ns.svc.cluster.local", parseType("SRV"));
  assert.deepEqual(records, [
    "web.ns.svc.cluster.local. 5 IN SRV 0 100 80 web.ns.svc.cluster.local.",
    "; web.ns.svc.cluster.local. 5 IN A 10.0.0.1",
  ]);
});
