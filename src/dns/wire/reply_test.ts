import assert from "node:assert/strict";
import fc from "fast-check";
import { dnsMessage, ednsOf, queryPacket } from "../../../tests/testing/dns_messages.ts";
import { createAnswer } from "./answer.ts";
import { extendedErrorsOf, toEdeOption } from "./edns.ts";
import { decodeMessage, type Message } from "./message.ts";
import { nameKey } from "./name.ts";
import { type Query, receiveQuery } from "./query.ts";
import { EDE, RCODE } from "./rcode.ts";
import type { ResourceRecord } from "./record.ts";
import { TYPE } from "./record_type.ts";
import { formatRejection, formatReply, replyLimit } from "./reply.ts";

function ask(name: string, type: number, fields: Partial<Message> = {}): Query {
  const received = receiveQuery(queryPacket(name, type, fields));
  assert.ok(received.state === "query");
  return received.query;
}

const addresses = (name: string, count: number): ResourceRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    name,
    type: TYPE.A,
    class: 1,
    ttlSeconds: 5,
    data: { kind: "address", address: `10.0.0.${i}` },
  }));

const NAME = "hdls.ns.svc.cluster.local";

Deno.test.each([
  { name: "512 bytes without OPT", edns: undefined, want: 512 },
  { name: "512 for a client that says less", edns: ednsOf(100), want: 512 },
  { name: "what the client can take", edns: ednsOf(1000), want: 1000 },
  { name: "no more than 1,232", edns: ednsOf(4096), want: 1232 },
])("S43 replyLimit() allows $name on UDP", ({ edns, want }) => {
  assert.equal(replyLimit({ edns }, "udp"), want);
  assert.equal(replyLimit({ edns }, "tcp"), 65_535);
});

Deno.test("S43 formatReply() sends the question back as it came, case and all", () => {
  const query = ask("HdLs.nS.svc.CLUSTER.local", TYPE.A);
  const answer = createAnswer(query.name, { rcode: 0, answers: addresses(NAME, 2) });
  const got = decodeMessage(formatReply(query, answer, { limit: 512 }));
  assert.equal(got.questions[0]!.name, "HdLs.nS.svc.CLUSTER.local");
  assert.deepEqual(got.answers.map(({ name }) => name), Array(2).fill("HdLs.nS.svc.CLUSTER.local"));
  assert.deepEqual(
    [got.id, got.response, got.authoritative, got.recursionDesired, got.recursionAvailable],
    [0x1234, true, true, true, true],
  );
  assert.equal(got.edns, undefined);
});

Deno.test("S43 formatReply() answers EDNS with EDNS, DO and the extended error", () => {
  const query = ask(NAME, TYPE.A, { edns: { ...ednsOf(1232), dnssecOk: true } });
  const extendedError = { code: EDE.NOT_READY, text: "not synced" };
  const answer = createAnswer(query.name, { rcode: RCODE.SERVFAIL, extendedError });
  const got = decodeMessage(formatReply(query, answer, { limit: 1232 }));
  assert.equal(got.rcode, RCODE.SERVFAIL);
  assert.deepEqual([got.edns?.dnssecOk, got.edns?.version, got.edns?.udpSizeBytes], [
    true,
    0,
    1232,
  ]);
  assert.deepEqual(extendedErrorsOf(got.edns), [extendedError]);
});

Deno.test.each([
  { name: "all where all fits", count: 20, limit: 512, want: [20, 1, false] },
  { name: "all answers without TC, but not the rest", count: 29, limit: 512, want: [29, 0, false] },
  { name: "as many answers as fit, with TC", count: 40, limit: 512, want: [29, 0, true] },
  { name: "everything on TCP", count: 250, limit: 65_535, want: [250, 1, false] },
])("S43 formatReply() sends $name", ({ count, limit, want }) => {
  const query = ask(NAME, TYPE.A);
  const answer = createAnswer(query.name, {
    rcode: 0,
    answers: addresses(NAME, count),
    additionals: addresses("x.ns.svc.cluster.local", 1),
  });
  const reply = formatReply(query, answer, { limit });
  assert.ok(reply.length <= limit);
  const got = decodeMessage(reply);
  assert.deepEqual([got.answers.length, got.additionals.length, got.truncated], want);
});

Deno.test("formatReply() makes room for OPT before anything else", () => {
  const query = ask(NAME, TYPE.A, { edns: ednsOf(512) });
  const answer = createAnswer(query.name, { rcode: 0, answers: addresses(NAME, 40) });
  const reply = formatReply(query, answer, { limit: replyLimit(query, "udp") });
  const got = decodeMessage(reply);
  assert.ok(reply.length <= 512 && got.truncated && got.edns !== undefined);
});

/** Answers and errors of every length, so that what is just too large comes up often. */
const anyReply = fc.record({
  name: fc.array(fc.integer({ min: 1, max: 62 }), { minLength: 1, maxLength: 4 })
    .map((lengths) => lengths.map((length) => "x".repeat(length)).join("."))
    .filter((name) => name.length <= 253),
  count: fc.nat(70),
  extra: dnsMessage,
  text: fc.tuple(fc.constantFrom("a", "é", "€", "😀", "\ufffd", "\ud800"), fc.nat(130))
    .map(([char, count]) => "a".repeat(count % 4) + char.repeat(count)),
  limit: fc.integer({ min: 512, max: 1232 }),
});

Deno.test("S43 formatReply() is never longer than its limit, whatever the answer and its error say", () => {
  fc.assert(
    fc.property(anyReply, ({ name, count, extra, text, limit }) => {
      const query = ask(name, TYPE.A, { edns: ednsOf(limit) });
      const send = (text: string) => {
        const reply = formatReply(
          query,
          createAnswer(name, {
            rcode: 0,
            answers: addresses(name, count),
            authorities: extra.authorities,
            additionals: extra.additionals,
            extendedError: { code: EDE.STALE_ANSWER, text },
          }),
          { limit },
        );
        assert.ok(reply.length <= limit, `${reply.length} bytes`);
        return decodeMessage(reply);
      };
      const { edns, ...got } = send(text);
      const [error] = extendedErrorsOf(edns);
      assert.equal(error?.code, EDE.STALE_ANSWER);
      assert.ok(text.toWellFormed().startsWith(error.text), "cut between characters");
      const { edns: _, ...without } = send("");
      assert.deepEqual(got, without, "it costs no record");
    }),
    { numRuns: 1_000 },
  );
});

Deno.test.each([
  { text: "a".repeat(200), most: undefined, want: "a".repeat(120) },
  { text: "€".repeat(60), most: undefined, want: "€".repeat(40) },
  { text: "a" + "€".repeat(60), most: undefined, want: "a" + "€".repeat(39) },
  { text: "a😀b", most: 4, want: "a" },
  { text: "a😀b", most: 5, want: "a😀" },
  { text: "a", most: -1, want: "" },
])("toEdeOption() cuts $text at $most bytes and between characters", ({ text, most, want }) => {
  const edns = { ...ednsOf(512), options: [toEdeOption({ code: 3, text }, most)] };
  assert.deepEqual(extendedErrorsOf(edns), [{ code: 3, text: want }]);
});

Deno.test("S43 formatReply() answers a client of 512 bytes within them, with the longest name and error", () => {
  const name = [62, 62, 62, 58].map((length) => "x".repeat(length)).join(".");
  const query = ask(name, TYPE.A, { edns: ednsOf(512) });
  const extendedError = { code: EDE.STALE_ANSWER, text: "\ufffd".repeat(133) };
  const answer = createAnswer(name, { rcode: RCODE.SERVFAIL, extendedError });
  const reply = formatReply(query, answer, { limit: 512 });
  assert.ok(reply.length <= 512, `${reply.length} bytes`);
  assert.deepEqual(extendedErrorsOf(decodeMessage(reply).edns), [
    { code: EDE.STALE_ANSWER, text: "\ufffd".repeat(40) },
  ]);
});

Deno.test("formatReply() turns addresses, so that the first is not always the same", () => {
  const query = ask(NAME, TYPE.A);
  const answer = createAnswer(query.name, {
    rcode: 0,
    answers: addresses(NAME, 3),
    additionals: addresses("x.ns.svc.cluster.local", 1),
  });
  const firsts = [0, 1, 2, 3].map((turn) => {
    const got = decodeMessage(formatReply(query, answer, { limit: 512, turn }));
    assert.deepEqual(new Set(got.answers.map((r) => JSON.stringify(r.data))).size, 3);
    assert.equal(got.additionals.length, 1);
    return (got.answers[0]!.data as { address: string }).address;
  });
  assert.deepEqual(firsts, ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.0"]);
});

Deno.test("formatReply() turns also what it has to cut, so that no address is always left out", () => {
  const query = ask(NAME, TYPE.A);
  const answer = createAnswer(query.name, { rcode: 0, answers: addresses(NAME, 40) });
  const seen = new Set<string>();
  for (let turn = 0; turn < 40; turn++) {
    const got = decodeMessage(formatReply(query, answer, { limit: 512, turn }));
    assert.deepEqual([got.answers.length, got.truncated], [29, true]);
    for (const { data } of got.answers) seen.add((data as { address: string }).address);
  }
  assert.equal(seen.size, 40);
});

Deno.test("formatReply() writes into a buffer of the caller", () => {
  const query = ask(NAME, TYPE.A, { edns: ednsOf(1232) });
  const answer = createAnswer(query.name, { rcode: 0, answers: addresses(NAME, 3) });
  const into = new Uint8Array(1232).fill(0xff);
  const reply = formatReply(query, answer, { limit: 1232, into });
  assert.equal(reply.buffer, into.buffer);
  assert.deepEqual(reply, formatReply(query, answer, { limit: 1232 }));
});

Deno.test("formatReply() does not turn a chain of names", () => {
  const query = ask("a.b", TYPE.A);
  const cname = (name: string, target: string): ResourceRecord => ({
    name,
    type: TYPE.CNAME,
    class: 1,
    ttlSeconds: 5,
    data: { kind: "name", target },
  });
  const answers = [cname("a.b", "c.b"), cname("c.b", "d.b")];
  const answer = createAnswer(query.name, { rcode: 0, answers });
  const got = decodeMessage(formatReply(query, answer, { limit: 512, turn: 1 }));
  assert.deepEqual(got.answers, answers);
});

Deno.test("createAnswer() fits every question with the same key", () => {
  fc.assert(fc.property(dnsMessage, fc.boolean(), (message, upper) => {
    const { answers, authorities, additionals, questions: [question] } = message;
    if (question === undefined) return;
    const name = upper ? question.name.toUpperCase() : question.name;
    const query = ask(name, question.type);
    const answer = createAnswer(query.name, { rcode: 0, answers, authorities, additionals });
    const got = decodeMessage(formatReply(query, answer, { limit: 65_535 }));
    const keys = (records: ResourceRecord[]) => records.map((r) => nameKey(r.name));
    assert.deepEqual(keys(got.answers), keys(answers));
    assert.deepEqual(keys(got.additionals), keys(additionals));
    assert.deepEqual(got.authorities.length, authorities.length);
  }));
});

Deno.test("S43 formatRejection() answers BADVERS with OPT, and NOTIMP with the opcode asked for", () => {
  const packet = queryPacket(NAME, TYPE.A, { edns: { ...ednsOf(1232), version: 1 } });
  const received = receiveQuery(packet);
  assert.ok(received.state === "rejected");
  const bad = decodeMessage(formatRejection(packet, received));
  assert.deepEqual([bad.rcode, bad.edns?.version, bad.id], [RCODE.BADVERS, 0, 0x1234]);
  const notify = queryPacket(NAME, TYPE.SOA, { opcode: 4 });
  const other = receiveQuery(notify);
  assert.ok(other.state === "rejected");
  const got = decodeMessage(formatRejection(notify, other));
  assert.deepEqual([got.rcode, got.opcode, got.response, got.edns], [4, 4, true, undefined]);
});
