import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../tests/testing/arbitraries.ts";
import { dnsMessage, ednsOf, queryPacket } from "../../../tests/testing/dns_messages.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { readName } from "./name.ts";
import { receiveQuery } from "./query.ts";
import { TYPE } from "./record_type.ts";

const numRuns = Math.ceil(FUZZ_RUNS / 4);

/** A header: id 1, the flags, and the counts of the four sections. */
const header = (flags: number, ...counts: number[]) => [
  0,
  1,
  ...[flags, ...counts].flatMap((n) => [n >> 8, n & 255]),
];
const QUERY = 0x0100;
const RESPONSE = 0x8180;
const AT = [0, 1, 0, 1];
const LABEL_63 = [63, ...new Array<number>(63).fill(0x61)];
const OPT = [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0];

/** Packets that once broke some server, and ones that could break this one. */
const HOSTILE: readonly { name: string; bytes: number[]; query: string; message: "ok" | "bad" }[] =
  [
    { name: "nothing", bytes: [], query: "dropped", message: "bad" },
    { name: "half a header", bytes: [0, 1, 1, 0, 0, 1], query: "dropped", message: "bad" },
    { name: "a header alone", bytes: header(QUERY, 0, 0, 0, 0), query: "1", message: "ok" },
    {
      name: "a response",
      bytes: [...header(RESPONSE, 1, 0, 0, 0), 1, 0x61, 0, ...AT],
      query: "dropped",
      message: "ok",
    },
    {
      name: "a dynamic update",
      bytes: [...header(5 << 11, 1, 0, 0, 0), 1, 0x61, 0, ...AT],
      query: "4",
      message: "ok",
    },
    {
      name: "two questions",
      bytes: [...header(QUERY, 2, 0, 0, 0), 1, 0x61, 0, ...AT, 1, 0x62, 0, ...AT],
      query: "1",
      message: "ok",
    },
    {
      name: "a promise of a question",
      bytes: header(QUERY, 1, 0, 0, 0),
      query: "1",
      message: "bad",
    },
    {
      name: "65,535 promised records",
      bytes: [...header(QUERY, 1, 0xffff, 0xffff, 0xffff), 1, 0x61, 0, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "a name that points to itself",
      bytes: [...header(QUERY, 1, 0, 0, 0), 0xc0, 12, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "a name that points forward",
      bytes: [...header(QUERY, 1, 0, 0, 0), 0xc0, 14, 0, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "a name that points into the header",
      bytes: [...header(QUERY, 1, 0, 0, 0), 0xc0, 0, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "two names that point to each other",
      bytes: [...header(QUERY, 1, 1, 0, 0), 1, 0x61, 0xc0, 18, ...AT, 1, 0x62, 0xc0, 12, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "half a pointer",
      bytes: [...header(QUERY, 1, 0, 0, 0), 1, 0x61, 0xc0],
      query: "1",
      message: "bad",
    },
    {
      name: "a label of the reserved type 01",
      bytes: [...header(QUERY, 1, 0, 0, 0), 0x41, 0x61, 0, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "a label of the reserved type 10",
      bytes: [...header(QUERY, 1, 0, 0, 0), 0x80, 0x61, 0, ...AT],
      query: "1",
      message: "bad",
    },
    {
      name: "a label that leads out of the packet",
      bytes: [...header(QUERY, 1, 0, 0, 0), 63, 0x61],
      query: "1",
      message: "bad",
    },
    {
      name: "a name of 257 bytes",
      bytes: [
        ...header(QUERY, 1, 0, 0, 0),
        ...LABEL_63,
        ...LABEL_63,
        ...LABEL_63,
        ...LABEL_63,
        0,
        ...AT,
      ],
      query: "1",
      message: "bad",
    },
    {
      name: "half a question",
      bytes: [...header(QUERY, 1, 0, 0, 0), 1, 0x61, 0, 0, 1, 0],
      query: "1",
      message: "bad",
    },
    {
      name: "two OPT records",
      bytes: [...header(QUERY, 1, 0, 0, 2), 1, 0x61, 0, ...AT, ...OPT, ...OPT],
      query: "1",
      message: "bad",
    },
    {
      name: "an OPT record in the answer section",
      bytes: [...header(QUERY, 1, 1, 0, 0), 1, 0x61, 0, ...AT, ...OPT],
      query: "1",
      message: "bad",
    },
    {
      name: "an OPT record with a name",
      bytes: [...header(QUERY, 1, 0, 0, 1), 1, 0x61, 0, ...AT, 1, 0x61, ...OPT],
      query: "1",
      message: "bad",
    },
    {
      name: "an OPT record whose option is cut off",
      bytes: [
        ...header(QUERY, 1, 0, 0, 1),
        1,
        0x61,
        0,
        ...AT,
        ...OPT.slice(0, -1),
        4,
        0,
        3,
        0,
        9,
      ],
      query: "1",
      message: "bad",
    },
    {
      name: "an OPT record of version 1",
      bytes: [...header(QUERY, 1, 0, 0, 1), 1, 0x61, 0, ...AT, 0, 0, 41, 4, 0xd0, 0, 1, 0, 0, 0, 0],
      query: "16",
      message: "ok",
    },
    {
      name: "an unknown option",
      bytes: [
        ...header(QUERY, 1, 0, 0, 1),
        1,
        0x61,
        0,
        ...AT,
        ...OPT.slice(0, -1),
        5,
        0xff,
        0xfe,
        0,
        1,
        7,
      ],
      query: "query",
      message: "ok",
    },
    {
      name: "bytes behind the end",
      bytes: [...header(QUERY, 1, 0, 0, 0), 1, 0x61, 0, ...AT, 1, 2, 3],
      query: "query",
      message: "ok",
    },
    {
      name: "an A record of three bytes",
      bytes: [...header(RESPONSE, 0, 1, 0, 0), 0, ...AT, 0, 0, 0, 5, 0, 3, 1, 2, 3],
      query: "dropped",
      message: "bad",
    },
    {
      name: "an A record of five bytes",
      bytes: [...header(RESPONSE, 0, 1, 0, 0), 0, ...AT, 0, 0, 0, 5, 0, 5, 1, 2, 3, 4, 5],
      query: "dropped",
      message: "bad",
    },
    {
      name: "a CNAME that leads out of its record",
      bytes: [...header(RESPONSE, 0, 1, 0, 0), 0, 0, 5, 0, 1, 0, 0, 0, 5, 0, 1, 1, 0x61, 0],
      query: "dropped",
      message: "bad",
    },
    {
      name: "a TXT record without a string",
      bytes: [...header(RESPONSE, 0, 1, 0, 0), 0, 0, 16, 0, 1, 0, 0, 0, 5, 0, 0],
      query: "dropped",
      message: "bad",
    },
    {
      name: "a TXT string that leads out of its record",
      bytes: [...header(RESPONSE, 0, 1, 0, 0), 0, 0, 16, 0, 1, 0, 0, 0, 5, 0, 2, 9, 1, 1],
      query: "dropped",
      message: "bad",
    },
    {
      name: "an empty record of an unknown type",
      bytes: [...header(RESPONSE, 0, 1, 0, 0), 0, 0xff, 0, 0, 1, 0, 0, 0, 5, 0, 0],
      query: "dropped",
      message: "ok",
    },
  ];

Deno.test.each([...HOSTILE])("S43 receiveQuery() takes $name as it should", ({ bytes, query }) => {
  const received = receiveQuery(Uint8Array.from(bytes));
  assert.equal(received.state === "rejected" ? String(received.rcode) : received.state, query);
});

Deno.test.each([...HOSTILE])(
  "S43 decodeMessage() takes $name as it should",
  ({ bytes, message }) => {
    const decode = () => decodeMessage(Uint8Array.from(bytes));
    if (message === "bad") assert.throws(decode, SyntaxError);
    else decode();
  },
);

/** A message, or a SyntaxError; anything else fails the test. */
function survive(bytes: Uint8Array): void {
  receiveQuery(bytes);
  try {
    const message = decodeMessage(bytes);
    // What could be read can be written again, and is then the same.
    assert.deepEqual(
      decodeMessage(encodeMessage(message)),
      message,
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
}

Deno.test("S43 any bytes are a message or a SyntaxError", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), survive), { numRuns });
});

Deno.test("S43 a damaged message is a message or a SyntaxError", () => {
  fc.assert(
    fc.property(
      dnsMessage,
      mutations,
      (message, changes) => survive(mutate(encodeMessage(message), changes)),
    ),
    { numRuns },
  );
});

Deno.test("S43 a packet full of pointers is read in bounded time", () => {
  // Each record's name points to the name before it, which is one label longer each time.
  const name = [...header(RESPONSE, 0, 4000, 0, 0), 0];
  const bytes = new Uint8Array(65_535);
  bytes.set(name);
  let [at, before] = [name.length - 1, -1];
  for (let i = 0; i < 4000; i++) {
    const start = at;
    const owner = before < 0 ? [0] : [1, 0x61, 0xc0 | before >> 8, before & 255];
    bytes.set([...owner, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0], at);
    at += owner.length + 10;
    // At 127 labels the name is too long: begin anew.
    if (start < 0x4000) before = i % 120 === 119 ? 12 : start;
  }
  decodeMessage(bytes.subarray(0, at));
});

Deno.test("S43 a name of pointers to pointers is refused", () => {
  const chain = (count: number) => {
    const bytes = [...header(RESPONSE, 0, 1, 0, 0), 0, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    // The first leads to the root of the record before.
    let to = 12;
    const names: number[] = [];
    for (let i = 0; i < count; i++) {
      names.push(0xc0 | to >> 8, to & 255);
      to = bytes.length + 2 * i;
    }
    return { bytes: Uint8Array.from([...bytes, ...names]), last: to };
  };
  const short = chain(127);
  assert.equal(readName(short.bytes, short.last, "text").name, "");
  const long = chain(128);
  assert.throws(() => readName(long.bytes, long.last, "text"), SyntaxError);
});

Deno.test("receiveQuery() reads name, type, class, flags and EDNS of a query", () => {
  const packet = queryPacket("SvC1.Ns.svc.cluster.local", TYPE.AAAA, {
    edns: { ...ednsOf(1400), dnssecOk: true },
    checkingDisabled: true,
  });
  const received = receiveQuery(packet);
  assert.ok(received.state === "query");
  const { packet: _, ...query } = received.query;
  assert.deepEqual(query, {
    id: 0x1234,
    recursionDesired: true,
    checkingDisabled: true,
    name: "svc1.ns.svc.cluster.local",
    type: 28,
    class: 1,
    questionEnd: 12 + 27 + 4,
    edns: { udpSizeBytes: 1400, version: 0, dnssecOk: true, options: [] },
  });
});
