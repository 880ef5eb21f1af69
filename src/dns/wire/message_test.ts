import assert from "node:assert/strict";
import * as oracle from "@dnsquery/dns-packet";
import fc from "fast-check";
import { FUZZ_RUNS, utf8 } from "../../../tests/testing/arbitraries.ts";
import { dnsMessage } from "../../../tests/testing/dns_messages.ts";
import { toEdeOption } from "./edns.ts";
import { createMessage, decodeMessage, encodeMessage, type Message } from "./message.ts";
import type { ResourceRecord } from "./record.ts";
import { TYPE } from "./record_type.ts";

const numRuns = Math.ceil(FUZZ_RUNS / 10);

const a = (name: string, i: number): ResourceRecord => ({
  name,
  type: TYPE.A,
  class: 1,
  ttlSeconds: 5,
  data: { kind: "address", address: `10.0.${i >> 8}.${i & 255}` },
});

const headless = (count: number): Message =>
  createMessage({
    response: true,
    questions: [{ name: "hdls.ns.svc.cluster.local", type: TYPE.A, class: 1 }],
    answers: Array.from({ length: count }, (_, i) => a("hdls.ns.svc.cluster.local", i)),
    additionals: [a("x.cluster.local", 1)],
  });

Deno.test("S43 decodeMessage() reads what encodeMessage() wrote", () => {
  fc.assert(
    fc.property(dnsMessage, (message) => {
      assert.deepEqual(decodeMessage(encodeMessage(message)), message);
    }),
    { numRuns },
  );
});

Deno.test("S43 encodeMessage() keeps to any limit, and what is left can be read", () => {
  fc.assert(
    fc.property(dnsMessage, fc.integer({ min: 512, max: 1232 }), (message, limit) => {
      const bytes = encodeMessage(message, limit);
      const got = decodeMessage(bytes);
      const whole = encodeMessage(message);
      if (whole.length <= limit) assert.deepEqual(bytes, whole);
      const least = encodeMessage({ ...message, answers: [], authorities: [], additionals: [] });
      assert.ok(bytes.length <= Math.max(limit, least.length));
      assert.deepEqual(got.answers, message.answers.slice(0, got.answers.length));
      assert.deepEqual(got.edns, message.edns);
      const complete = got.answers.length === message.answers.length &&
        got.authorities.length === message.authorities.length;
      assert.equal(got.truncated, message.truncated || !complete);
    }),
    { numRuns },
  );
});

Deno.test("encodeMessage() compresses names: 30 addresses fit where 1,232 bytes are the limit", () => {
  const bytes = encodeMessage(headless(30), 1232);
  assert.equal(bytes.length, 12 + 27 + 4 + 30 * 16 + 2 + 4 + 12);
});

Deno.test("encodeMessage() drops all of the additional section first, without TC", () => {
  const got = decodeMessage(encodeMessage(headless(29), 512));
  assert.deepEqual([got.answers.length, got.additionals.length, got.truncated], [29, 0, false]);
});

Deno.test("encodeMessage() keeps as many answers as fit and sets TC", () => {
  const got = decodeMessage(encodeMessage(headless(40), 512));
  assert.deepEqual([got.answers.length, got.truncated], [29, true]);
});

Deno.test("decodeMessage() takes a TTL with the highest bit for 0", () => {
  const bytes = encodeMessage(headless(1));
  bytes[12 + 27 + 4 + 6] = 0x80;
  assert.equal(decodeMessage(bytes).answers[0]!.ttlSeconds, 0);
});

/** A record as the oracle writes it. */
function ofOracle(record: oracle.Answer): unknown {
  const { type, data } = record as { type: string; data: unknown };
  return type === "TXT" ? [data].flat().map((part) => [...part as Uint8Array]) : data;
}

function toOracle({ data }: ResourceRecord): unknown {
  switch (data.kind) {
    case "address":
      return data.address;
    case "name":
      return data.target;
    case "mx":
      return { preference: data.preference, exchange: data.exchange };
    case "srv":
      return {
        priority: data.priority,
        weight: data.weight,
        port: data.port,
        target: data.target,
      };
    case "txt":
      return data.strings.map((part) => [...part]);
    case "soa":
      return {
        mname: data.primary,
        rname: data.mailbox,
        serial: data.serial,
        refresh: data.refresh,
        retry: data.retry,
        expire: data.expire,
        minimum: data.minimum,
      };
    default:
      return undefined;
  }
}

/** The oracle has no escapes, writes the root as ".", and knows IPv6 text of its own. */
const plain = (record: ResourceRecord) =>
  !JSON.stringify(record).includes("\\") && record.data.kind !== "opaque" &&
  record.type !== TYPE.AAAA;

const rooted = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll('"."', '""'));

Deno.test("S43 an independent decoder reads what encodeMessage() wrote", () => {
  fc.assert(
    fc.property(dnsMessage, (any) => {
      const message = { ...any, edns: undefined, authorities: [], opcode: 0, rcode: 0 };
      message.answers = any.answers.filter(plain);
      message.additionals = any.additionals.filter(plain);
      const got = oracle.decode(encodeMessage(message));
      assert.equal(got.id, message.id);
      for (const section of ["answers", "additionals"] as const) {
        assert.deepEqual(rooted(got[section]!.map(ofOracle)), message[section].map(toOracle));
        assert.deepEqual(
          rooted(got[section]!.map(({ name }) => name)),
          message[section].map(({ name }) => name),
        );
      }
    }),
    { numRuns: Math.ceil(numRuns / 4) },
  );
});

Deno.test("S43 an independent decoder reads the OPT record that encodeMessage() wrote", () => {
  const got = oracle.decode(encodeMessage(createMessage({
    response: true,
    rcode: 16,
    edns: {
      udpSizeBytes: 1232,
      version: 0,
      dnssecOk: true,
      options: [toEdeOption({ code: 3, text: "stale" })],
    },
  })));
  assert.equal(got.additionals!.length, 1);
  // deno-lint-ignore no-explicit-any
  const opt = got.additionals![0] as any;
  assert.deepEqual(
    [opt.type, opt.name, opt.udpPayloadSize, opt.extendedRcode, opt.ednsVersion, opt.flag_do],
    ["OPT", ".", 1232, 1, 0, true],
  );
  const [{ code, data }] = opt.options;
  assert.deepEqual([code, ...data], [15, 0, 3, ...utf8("stale")]);
});

Deno.test("S43 decodeMessage() reads what an independent encoder wrote", () => {
  fc.assert(
    fc.property(dnsMessage, (any) => {
      const answers = any.answers.filter(plain).filter(({ name }) => name !== "");
      const bytes = oracle.encode({
        type: "response",
        id: any.id,
        flags: oracle.AUTHORITATIVE_ANSWER,
        questions: [],
        answers: answers.map((record) => ({
          type: NAMES[record.type]!,
          name: record.name,
          ttl: record.ttlSeconds,
          data: record.data.kind === "txt" ? record.data.strings : toOracle(record),
          // deno-lint-ignore no-explicit-any
        } as any)),
        additionals: [{
          type: "OPT",
          name: ".",
          udpPayloadSize: 1400,
          extendedRcode: 1,
          ednsVersion: 0,
          flags: oracle.DNSSEC_OK,
          flag_do: true,
          // Of other options it loses the data.
          options: [{ code: 12, length: 3 }],
          // deno-lint-ignore no-explicit-any
        } as any],
      });
      const got = decodeMessage(bytes);
      assert.deepEqual(got.answers, answers);
      assert.equal(got.authoritative, true);
      assert.equal(got.rcode, 16);
      assert.deepEqual(got.edns, {
        udpSizeBytes: 1400,
        version: 0,
        dnssecOk: true,
        options: [{ code: 12, data: new Uint8Array(3) }],
      });
    }),
    { numRuns: Math.ceil(numRuns / 4) },
  );
});

const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(TYPE).map(([name, type]) => [type, name]),
);
