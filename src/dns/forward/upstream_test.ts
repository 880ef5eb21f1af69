import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../tests/testing/arbitraries.ts";
import {
  a,
  answering,
  type FakePacket,
  type FakeServer,
  replyTo,
  silent,
} from "../../../tests/testing/fake_dns_network.ts";
import { dnsMessage } from "../../../tests/testing/dns_messages.ts";
import {
  question,
  startForwarder,
  type TestForwarder,
} from "../../../tests/testing/test_forwarder.ts";
import { decodeMessage, encodeMessage, type Message, type Question } from "../wire/message.ts";
import type { Forwarded } from "./forwarder.ts";

const NAME = "long-enough-a-name.example";

/** What the forwarder makes of one server: address and transport, or the state. */
async function outcome(
  server: FakeServer,
  advanceMs = 6_000,
): Promise<
  { said: string; ignored: string[]; open: number; seen: string[]; forwarded: Forwarded }
> {
  using test = startForwarder({ "10.0.0.1": server });
  const asked = test.forwarder.resolve(question(NAME));
  await test.clock.advance(advanceMs);
  const forwarded = await asked;
  const data = forwarded.state === "answered"
    ? forwarded.answer.message.answers[0]?.data
    : undefined;
  const said = forwarded.state !== "answered"
    ? forwarded.state
    : `${data?.kind === "address" ? data.address : "-"} ${forwarded.answer.transport}`;
  const ignored = test.events.flatMap((event) => event.kind === "ignored" ? [event.why] : []);
  const seen = test.network.queriesTo("10.0.0.1:53");
  test.forwarder[Symbol.dispose]();
  await test.clock.advance(60_000);
  return { said, ignored, open: test.network.openSockets + test.clock.pending, seen, forwarded };
}

const truth = (query: Message): Uint8Array =>
  replyTo(query, { answers: [a(query.questions[0]!.name, "1.1.1.1")] });
const lie = (query: Message, fields: Partial<Message> = {}): Uint8Array =>
  replyTo(query, { answers: [a(query.questions[0]!.name, "6.6.6.6")], ...fields });
const respelled = (query: Message) =>
  query.questions.map((each) => ({ ...each, name: each.name.toLowerCase() }));

Deno.test.each<{ name: string; packet: (query: Message) => FakePacket; why: string }>([
  {
    name: "another address",
    packet: (query) => ({ bytes: lie(query), from: { hostname: "10.0.0.66", port: 53 } }),
    why: "source",
  },
  {
    name: "another port",
    packet: (query) => ({ bytes: lie(query), from: { hostname: "10.0.0.1", port: 54 } }),
    why: "source",
  },
  {
    name: "another id",
    packet: (query) => ({ bytes: lie(query, { id: query.id ^ 1 }) }),
    why: "id",
  },
  {
    name: "another name",
    packet: (query) => ({
      bytes: lie(query, { questions: [{ name: "x.example", type: 1, class: 1 }] }),
    }),
    why: "question",
  },
  {
    name: "another type",
    packet: (query) => ({
      bytes: lie(query, { questions: [{ ...query.questions[0]!, type: 28 }] }),
    }),
    why: "question",
  },
  {
    name: "two questions",
    packet: (query) => ({
      bytes: lie(query, { questions: [query.questions[0]!, query.questions[0]!] }),
    }),
    why: "question",
  },
  {
    name: "a query",
    packet: (query) => ({ bytes: lie(query, { response: false }) }),
    why: "malformed",
  },
  { name: "nothing", packet: () => ({ bytes: new Uint8Array() }), why: "malformed" },
  {
    name: "half of a reply",
    packet: (query) => ({ bytes: truth(query).subarray(0, 40) }),
    why: "malformed",
  },
])("S43 a packet with $name is passed over, and the reply behind it counts", async (row) => {
  const { said, ignored, open } = await outcome((query, transport) =>
    isProbe(query)
      ? answering("1.1.1.1")(query, transport)
      : [row.packet(query), { bytes: truth(query) }]
  );
  assert.deepEqual({ said, ignored, open }, { said: "1.1.1.1 udp", ignored: [row.why], open: 0 });
});

Deno.test("S43 a truncated reply is asked for again over TCP", async () => {
  const { said, open } = await outcome((query, transport) => [{
    bytes: transport === "udp" ? replyTo(query, { truncated: true }) : truth(query),
  }]);
  assert.deepEqual({ said, open }, { said: "1.1.1.1 tcp", open: 0 });
});

Deno.test("S43 fifty forged packets make it ask over TCP, where nobody can forge", async () => {
  const { said } = await outcome((query, transport) => {
    if (transport === "tcp") return [{ bytes: truth(query) }];
    return Array.from({ length: 60 }, (_, i) => ({ bytes: lie(query, { id: query.id + 1 + i }) }));
  });
  assert.equal(said, "1.1.1.1 tcp");
});

Deno.test("S43 a packet with another spelling is not believed: TCP says what is true", async () => {
  const { said } = await outcome((query, transport) =>
    transport === "tcp"
      ? [{ bytes: truth(query) }]
      : [{ bytes: lie(query, { questions: respelled(query) }) }]
  );
  assert.equal(said, "1.1.1.1 tcp");
});

Deno.test("S43 a TCP connection with nothing but other answers is closed", async () => {
  using test = startForwarder({
    "10.0.0.1": (query, transport) =>
      transport === "udp"
        ? [{ bytes: replyTo(query, { truncated: true }) }]
        : Array.from({ length: 6 }, () => ({ bytes: lie(query, { id: query.id ^ 1 }) })),
  });
  assert.equal((await test.forwarder.resolve(question(NAME))).state, "unreachable");
  await test.clock.advance(0);
  const tcp = test.network.openSockets;
  await test.clock.advance(60_000);
  assert.ok(tcp <= 1 && test.network.openSockets <= 1, `${test.network.openSockets} are open`);
});

Deno.test("S45 an upstream that leads back to us stays left out although it answers, too", async () => {
  const server: FakeServer = (query) => {
    const { name, type } = query.questions[0]!;
    if (type === 13) queueMicrotask(() => void test.forwarder.isOwnProbe(name.toLowerCase(), type));
    return answering("1.1.1.1", 100)(query, "udp");
  };
  using test: TestForwarder = startForwarder({ "10.0.0.1": server, "10.0.0.2": silent });
  // It was asked before that was known: what it says is taken, and nothing else of it.
  const early = test.forwarder.resolve(question(NAME));
  await test.clock.advance(1_000);
  assert.equal((await early).state, "answered");
  await test.clock.advance(3_600_000);
  const states = test.states().filter((state) => state.startsWith("10.0.0.1:53 "));
  assert.deepEqual(states, ["10.0.0.1:53 up>looping"]);
});

Deno.test("an upstream that does not keep the spelling is asked over TCP once, then over UDP", async () => {
  using test = startForwarder({
    "10.0.0.1": (query) => [{ bytes: replyTo(query, { questions: respelled(query) }) }],
  });
  for (const name of ["one.example", "two.example"]) {
    await test.clock.advance(0);
    assert.equal((await test.forwarder.resolve(question(name))).state, "answered");
  }
  const seen = test.network.queriesTo("10.0.0.1:53");
  assert.deepEqual(seen.at(-1), "10.0.0.1:53 udp two.example");
  assert.equal(seen.filter((each) => each.includes("two.example")).length, 1);
});

Deno.test.each<{ name: string; complaint: (query: Message) => Uint8Array }>([
  { name: "FORMERR", complaint: (query) => replyTo(query, { rcode: 1 }) },
  { name: "NOTIMP", complaint: (query) => replyTo(query, { rcode: 4 }) },
  {
    name: "FORMERR without a question",
    complaint: (query) => replyTo(query, { rcode: 1, questions: [] }),
  },
])("an upstream that answers EDNS with $name is asked without it from then on", async (row) => {
  using test = startForwarder({
    "10.0.0.1": (query) => [{
      bytes: query.edns === undefined ? truth(query) : row.complaint(query),
    }],
  });
  for (const name of ["one.example", "two.example"]) {
    const asked = test.forwarder.resolve(question(name));
    await test.clock.advance(0);
    assert.equal((await asked).state, "answered");
  }
  const two = test.network.queriesTo("10.0.0.1:53").filter((each) => each.includes("two"));
  assert.equal(two.length, 1);
});

Deno.test("what an upstream is sent: its own id, spelling and port each time, EDNS 1232, DO and CD passed on", async () => {
  const queries: Message[] = [];
  using test = startForwarder({
    "10.0.0.1": (query, transport) => {
      if (!isProbe(query)) queries.push(query);
      return answering("1.1.1.1")(query, transport);
    },
  });
  for (let i = 0; i < 50; i++) {
    await test.forwarder.resolve({
      ...question(NAME),
      dnssecOk: i % 2 === 0,
      checkingDisabled: i % 3 === 0,
    });
  }
  assert.ok(new Set(queries.map(({ id }) => id)).size > 45);
  assert.ok(new Set(queries.map(({ questions }) => questions[0]!.name)).size > 45);
  for (const [i, { edns, checkingDisabled, recursionDesired }] of queries.entries()) {
    assert.deepEqual(
      { ...edns, checkingDisabled, recursionDesired },
      {
        udpSizeBytes: 1232,
        version: 0,
        dnssecOk: i % 2 === 0,
        options: [],
        checkingDisabled: i % 3 === 0,
        recursionDesired: true,
      },
    );
  }
});

/** Replies that are nearly right: each lies in one way that must be seen. */
const NEARLY: Record<string, (query: Message) => FakePacket> = {
  "another id": (query) => ({ bytes: lie(query, { id: query.id ^ 0x0100 }) }),
  "a query": (query) => ({ bytes: lie(query, { response: false }) }),
  "another opcode": (query) => ({ bytes: lie(query, { opcode: 2 }) }),
  "another name": (query) => ({ bytes: lie(query, { questions: asking(query, { name: "x" }) }) }),
  "another type": (query) => ({ bytes: lie(query, { questions: asking(query, { type: 28 }) }) }),
  "another class": (query) => ({ bytes: lie(query, { questions: asking(query, { class: 3 }) }) }),
  "no question": (query) => ({ bytes: lie(query, { questions: [] }) }),
  "two questions": (query) => ({
    bytes: lie(query, { questions: [...query.questions, ...query.questions] }),
  }),
  "another spelling": (query) => ({ bytes: lie(query, { questions: respelled(query) }) }),
  "another address": (query) => ({ bytes: lie(query), from: { hostname: "10.0.0.66", port: 53 } }),
  "another port": (query) => ({ bytes: lie(query), from: { hostname: "10.0.0.1", port: 54 } }),
};

const asking = ({ questions: [asked] }: Message, fields: Partial<Question>): Question[] => [
  { ...asked!, ...fields },
];

/** Whether a packet is a reply to a query, as told from its bytes alone. */
function isReply(query: Message, { bytes, from }: FakePacket, transport: "udp" | "tcp"): boolean {
  if (transport === "udp" && from !== undefined) return false;
  const { id, questions } = query;
  const want = encodeMessage({ ...query, questions, edns: undefined }).subarray(12);
  const got = bytes.subarray(12, 12 + want.length);
  // Over TCP nobody can guess, nor is anybody to keep a spelling that is none.
  const exactly = transport === "udp" && questions[0]!.name !== questions[0]!.name.toLowerCase();
  const text = (part: Uint8Array) => {
    const chars = String.fromCharCode(...part);
    return exactly ? chars : chars.toLowerCase();
  };
  return bytes.length >= 12 && (bytes[0]! << 8 | bytes[1]!) === id && (bytes[2]! & 0xf8) === 0x80 &&
    bytes[4] === 0 && bytes[5] === 1 && text(got) === text(want);
}

Deno.test("S43 whatever bytes an upstream sends, over UDP and TCP: no crash, no leak, and no lie", async () => {
  const packets = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("bytes" as const), bytes: fc.uint8Array({ maxLength: 80 }) }),
      fc.record({ kind: fc.constant("mutated" as const), changes: mutations }),
      fc.record({
        kind: fc.constant("message" as const),
        message: dnsMessage,
        isAnswer: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("truncated" as const) }),
      fc.record({
        kind: fc.constant("nearly" as const),
        how: fc.constantFrom(...Object.keys(NEARLY)),
      }),
    ),
    { maxLength: 4 },
  );
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(packets, packets, async (udp, tcp) => {
      const replies: Uint8Array[] = [];
      const server: FakeServer = (query, transport) =>
        (transport === "udp" ? udp : tcp).map((packet): FakePacket => {
          switch (packet.kind) {
            case "bytes":
              return { bytes: packet.bytes };
            case "mutated":
              return { bytes: mutate(truth(query), packet.changes) };
            case "message": {
              const { id, questions } = query;
              const head = packet.isAnswer ? { id, questions, response: true, opcode: 0 } : { id };
              return { bytes: encodeMessage({ ...packet.message, ...head }) };
            }
            case "truncated":
              return { bytes: replyTo(query, { truncated: true }) };
            case "nearly":
              return NEARLY[packet.how]!(query);
            default:
              return packet satisfies never;
          }
        }).map((packet) => {
          if (isReply(query, packet, transport)) replies.push(packet.bytes);
          return packet;
        });
      const { open, forwarded } = await outcome(server, 10_000);
      assert.equal(open, 0);
      if (forwarded.state !== "answered") return;
      accepted++;
      const { message } = forwarded.answer;
      const [asked, ...more] = message.questions;
      assert.deepEqual(
        { ...asked, name: asked?.name.toLowerCase(), more },
        { name: NAME, type: 1, class: 1, more: [] },
      );
      assert.ok(
        replies.some((bytes) => isDeepStrictEqual(decodeAny(bytes), message)),
        "what is taken is what one reply says",
      );
    }),
    { numRuns: Math.ceil(FUZZ_RUNS / 50) },
  );
  assert.ok(accepted > FUZZ_RUNS / 500, `only ${accepted} answers were taken`);
});

/** The message that bytes are, if they are one. */
function decodeAny(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes);
  } catch {
    return undefined;
  }
}

function isProbe({ questions: [asked] }: Message): boolean {
  return asked?.name === "" || asked?.type === 13;
}
