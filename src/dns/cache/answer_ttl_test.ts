import assert from "node:assert/strict";
import fc from "fast-check";
import { dnsMessage } from "../../../tests/testing/dns_messages.ts";
import { a, soa } from "../../../tests/testing/fake_dns_network.ts";
import { createAnswer, readAnswer } from "../wire/answer.ts";
import type { ResourceRecord } from "../wire/record.ts";
import { TYPE } from "../wire/record_type.ts";
import { lifetimeOf, TTL_BOUNDS, withTtl } from "./answer_ttl.ts";

const NAME = "www.example.com";
const cname = (ttlSeconds: number): ResourceRecord => ({
  name: NAME,
  type: TYPE.CNAME,
  class: 1,
  ttlSeconds,
  data: { kind: "name", target: "other.example" },
});

Deno.test.each([
  { name: "one address", answers: [a(NAME, "1.1.1.1", 300)], want: "positive 300" },
  {
    name: "the lowest of several",
    answers: [cname(60), a("other.example", "1.1.1.1", 300)],
    want: "positive 60",
  },
  { name: "a week", answers: [a(NAME, "1.1.1.1", 604_800)], want: "positive 3600" },
  { name: "none", answers: [a(NAME, "1.1.1.1", 0)], want: "positive 5" },
  { name: "NXDOMAIN", rcode: 3, authorities: [soa("com", 900, 300)], want: "negative 300" },
  {
    name: "NXDOMAIN whose SOA ends first",
    rcode: 3,
    authorities: [soa("com", 60, 300)],
    want: "negative 60",
  },
  {
    name: "NXDOMAIN for a day",
    rcode: 3,
    authorities: [soa("com", 86_400, 86_400)],
    want: "negative 1800",
  },
  { name: "NXDOMAIN without an SOA", rcode: 3, want: "negative 5" },
  { name: "NODATA", authorities: [soa("com", 900, 300)], want: "negative 300" },
  {
    name: "an alias of a name without data",
    answers: [cname(60)],
    authorities: [soa("example", 900, 300)],
    want: "negative 60",
  },
  {
    name: "an alias of a name that does not exist",
    rcode: 3,
    answers: [cname(600)],
    authorities: [soa("example", 900, 300)],
    want: "negative 300",
  },
  { name: "SERVFAIL", rcode: 2, authorities: [soa("com", 900, 300)], want: "failure 5" },
  { name: "REFUSED", rcode: 5, want: "failure 5" },
])("lifetimeOf() is right for $name", ({ rcode = 0, answers, authorities, want }) => {
  const { kind, ttlSeconds } = lifetimeOf(
    createAnswer(NAME, { rcode, answers, authorities }),
    TTL_BOUNDS,
  );
  assert.equal(`${kind} ${ttlSeconds}`, want);
});

Deno.test("withTtl() changes the TTLs and nothing else, of any answer", () => {
  fc.assert(fc.property(dnsMessage, fc.nat(0x7fff_ffff), (message, seconds) => {
    const name = message.questions[0]?.name ?? "";
    const before = createAnswer(name, message);
    const copy = before.records.slice();
    const after = withTtl(before, seconds);
    const set = (records: ResourceRecord[]) =>
      records.map((record) => ({ ...record, ttlSeconds: seconds }));
    const [read, expected] = [readAnswer(name, 1, after), readAnswer(name, 1, before)];
    for (const section of ["answers", "authorities", "additionals"] as const) {
      assert.deepEqual(read[section], set(expected[section]));
    }
    assert.deepEqual(before.records, copy);
    lifetimeOf(before, TTL_BOUNDS);
  }));
});
