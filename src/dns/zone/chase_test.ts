import assert from "node:assert/strict";
import { ask, HTTP, service, zoneOf } from "../../../tests/testing/dns_cluster.ts";
import { formatRecord } from "../wire/format_record.ts";
import { readAnswer } from "../wire/answer.ts";
import { EDE, RCODE } from "../wire/rcode.ts";
import { TYPE } from "../wire/record_type.ts";
import { followChase, type ResolvedTarget } from "./chase.ts";
import { addressRecord, nameRecord } from "./outcome.ts";
import { soaRecord } from "./soa.ts";

const external = (name: string, externalName: string) =>
  service("ns", name, { type: "ExternalName", externalName });
const full = (name: string) => `${name}.ns.svc.cluster.local`;

const ZONE = zoneOf({
  namespaces: ["ns"],
  services: [
    service("ns", "svc1", { clusterIP: "10.0.0.1", ports: [HTTP] }),
    external("out", "ext.interwebs.test"),
    external("to-svc", full("svc1")),
    external("to-to-svc", `${full("to-svc").toUpperCase()}.`),
    external("to-out", full("out")),
    external("dangling", full("gone")),
    external("self", full("self")),
    external("ring-a", full("ring-b")),
    external("ring-b", full("ring-a")),
    external("nowhere", "x..y"),
    ...Array.from({ length: 12 }, (_, i) => external(`hop-${i}`, full(`hop-${i + 1}`))),
    service("ns", "hop-12", { clusterIP: "10.0.0.2" }),
  ],
});

const cname = (from: string, to: string) => `${full(from)}. 5 IN CNAME ${to}.`;
const svc1 = `${full("svc1")}. 5 IN A 10.0.0.1`;

Deno.test.each([
  {
    name: "out",
    type: "A",
    outcome: "CHASE ext.interwebs.test",
    answers: [cname("out", "ext.interwebs.test")],
  },
  { name: "to-svc", type: "A", outcome: "NOERROR", answers: [cname("to-svc", full("svc1")), svc1] },
  {
    name: "to-to-svc",
    type: "A",
    outcome: "NOERROR",
    answers: [cname("to-to-svc", full("to-svc")), cname("to-svc", full("svc1")), svc1],
  },
  {
    name: "to-out",
    type: "A",
    outcome: "CHASE ext.interwebs.test",
    answers: [cname("to-out", full("out")), cname("out", "ext.interwebs.test")],
  },
  // The target is there, but not with this type: a NODATA that says of which name.
  { name: "to-svc", type: "AAAA", outcome: "NOERROR", answers: [cname("to-svc", full("svc1"))] },
  // CoreDNS answers NODATA here, which clients remember (coredns#6088).
  { name: "dangling", type: "A", outcome: "NXDOMAIN", answers: [cname("dangling", full("gone"))] },
  { name: "self", type: "A", outcome: "SERVFAIL", answers: [] },
  { name: "ring-a", type: "A", outcome: "SERVFAIL", answers: [] },
  { name: "hop-0", type: "A", outcome: "SERVFAIL", answers: [] },
  { name: "nowhere", type: "A", outcome: "NXDOMAIN", answers: [] },
  { name: "self", type: "CNAME", outcome: "NOERROR", answers: [cname("self", full("self"))] },
])("S40 ExternalName $name $type is $outcome", ({ name, type, outcome, answers }) => {
  const got = ask(ZONE, `${full(name)} ${type}`);
  assert.deepEqual([got.outcome, got.answers], [outcome, answers]);
});

Deno.test("S40 ten names in a row are followed", () => {
  assert.equal(
    ask(ZONE, `${full("hop-2")} A`).answers.at(-1),
    `${full("hop-12")}. 5 IN A 10.0.0.2`,
  );
});

async function resolved(target: ResolvedTarget) {
  const said = ZONE.answer(full("out"), TYPE.A);
  assert.ok(said.state === "chase");
  const asked: unknown[] = [];
  const answer = await followChase(said.chase, (...question) => {
    asked.push(question);
    return Promise.resolve(target);
  });
  assert.deepEqual(asked, [["ext.interwebs.test", TYPE.A]]);
  const { answers, authorities } = readAnswer(full("out"), TYPE.A, answer);
  return {
    rcode: answer.rcode,
    extendedError: answer.extendedError,
    answers: answers.map(formatRecord),
    authorities: authorities.length,
  };
}

const OUT = cname("out", "ext.interwebs.test");

Deno.test("followChase() puts what the target has behind the CNAME record", async () => {
  const target = [
    nameRecord("ext.interwebs.test", TYPE.CNAME, "b.test", 60),
    addressRecord("b.test", "1.2.3.4", 60),
  ];
  const got = await resolved({ rcode: RCODE.NOERROR, answers: target });
  assert.deepEqual(got.answers, [OUT, ...target.map(formatRecord)]);
  assert.equal(got.rcode, RCODE.NOERROR);
});

Deno.test.each([RCODE.NOERROR, RCODE.NXDOMAIN])(
  "followChase() passes on rcode %i of a target that has nothing, with its SOA record",
  async (rcode) => {
    const got = await resolved({ rcode, answers: [], authorities: [soaRecord("test", 1, 60)] });
    assert.deepEqual([got.rcode, got.answers, got.authorities], [rcode, [OUT], 1]);
  },
);

Deno.test.each([RCODE.SERVFAIL, RCODE.REFUSED, RCODE.FORMERR])(
  "followChase() makes SERVFAIL of rcode %i, never NODATA",
  async (rcode) => {
    const extendedError = { code: EDE.NO_REACHABLE_AUTHORITY, text: "offline" };
    const got = await resolved({ rcode, answers: [], extendedError });
    assert.deepEqual([got.rcode, got.answers, got.authorities], [RCODE.SERVFAIL, [], 0]);
    assert.deepEqual(got.extendedError, extendedError);
  },
);
