import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import {
  a,
  FakeDnsNetwork,
  type FakePacket,
  type FakeServer,
  replyTo,
} from "../../../tests/testing/fake_dns_network.ts";
import { question, seededBytes } from "../../../tests/testing/test_forwarder.ts";
import type { Message } from "../wire/message.ts";
import { Asking } from "./asking.ts";

const SERVER = "10.0.0.1:53";
const NAME = "long-enough-a-name.example";

/** Asks one server, and says what of the name's answer came how: `1.1.1.1 udp`, or why none did. */
function start(server: FakeServer, tcp?: "refused" | "dropped") {
  const clock = new FakeClock();
  const network = new FakeDnsNetwork(clock);
  network.servers.set(SERVER, server);
  if (tcp !== undefined) network.withoutTcp.set(SERVER, tcp);
  const asking = new Asking({ hostname: "10.0.0.1", port: 53 }, {
    clock,
    random: seededBytes(),
    bindUdp: network.bindUdp,
    connect: network.connect,
    notice: () => {},
    mixedCase: true,
  });
  const roundTripsMs: number[] = [];
  const ask = async (advanceMs = 0, name = NAME): Promise<string> => {
    const late = new AbortController();
    const cancel = clock.timer(5_000, () => late.abort(new Error("late")));
    const asked = asking.ask(question(name), late.signal, (ms) => void roundTripsMs.push(ms))
      .then(({ message, transport }) => {
        const data = message.answers[0]?.data;
        return `${data?.kind === "address" ? data.address : message.rcode} ${transport}`;
      }, ({ message, cause }) => [message, ...(cause ? [cause.message] : [])].join(": "))
      .finally(cancel);
    await clock.advance(advanceMs);
    return await asked;
  };
  const open = () => network.openSockets + clock.pending;
  return { asking, ask, network, roundTripsMs, open };
}

const answer = (query: Message, address: string, spelled = (name: string) => name): FakePacket => {
  const questions = query.questions.map((each) => ({ ...each, name: spelled(each.name) }));
  return { bytes: replyTo(query, { questions, answers: [a(questions[0]!.name, address)] }) };
};
const lower = (name: string): string => name.toLowerCase();
const upper = (name: string): string => name.toUpperCase();

Deno.test.each<{ name: string; spelled: (name: string) => string; tcp: "refused" | "dropped" }>([
  { name: "lower case and refuses TCP", spelled: lower, tcp: "refused" },
  { name: "lower case and drops TCP", spelled: lower, tcp: "dropped" },
  { name: "upper case and refuses TCP", spelled: upper, tcp: "refused" },
])(
  "an upstream that puts names into $name is asked in its own way after three replies",
  async (row) => {
    const { ask, network, roundTripsMs, open } = start(
      (query) => [answer(query, "1.1.1.1", row.spelled)],
      row.tcp,
    );
    assert.equal(await ask(1_000), "1.1.1.1 udp");
    assert.equal(network.seen.length, 4);
    assert.equal(await ask(), "1.1.1.1 udp");
    assert.equal(network.seen.length, 5, "that is known from then on");
    assert.deepEqual(roundTripsMs, [0, 0, 0, 0, 0], "the time that TCP took is not its");
    assert.equal(open(), 0);
  },
);

Deno.test("S43 without TCP a lucky guess is not believed, nor the spelling given up", async () => {
  const spellings: string[] = [];
  let forged = 0;
  const { ask } = start((query) => {
    spellings.push(query.questions[0]!.name);
    // Two in a row have the right id and port.
    return ++forged % 3 === 0
      ? [answer(query, "1.1.1.1")]
      : [answer(query, "6.6.6.6", lower), answer(query, "1.1.1.1")];
  }, "refused");
  for (let i = 0; i < 10; i++) assert.equal(await ask(), "1.1.1.1 udp");
  assert.equal(spellings.length, 30);
  assert.ok(new Set(spellings).size > 25, "they are as random as ever");
});

/** A reply with many records, cut to a length; `more` are flags to set. */
function cut(query: Message, length: number, more = 0): FakePacket {
  const answers = Array.from(
    { length: 400 },
    (_, i) => a(query.questions[0]!.name, `1.1.1.${i % 200}`),
  );
  const bytes = replyTo(query, { answers }).subarray(0, length);
  bytes[2]! |= more;
  return { bytes };
}

Deno.test.each<{ name: string; packet: (query: Message) => FakePacket }>([
  { name: "in the middle of a record, with TC", packet: (query) => cut(query, 512, 0x02) },
  { name: "in the middle of a record, without TC", packet: (query) => cut(query, 512) },
  { name: "to what is received at most", packet: (query) => cut(query, 4_096) },
])("S43 a reply that was cut $name is asked for again over TCP", async ({ packet }) => {
  using test = toDisposable(
    start((query, transport) => transport === "udp" ? [packet(query)] : [answer(query, "1.1.1.1")]),
  );
  assert.equal(await test.ask(), "1.1.1.1 tcp");
  assert.equal(test.network.seen.length, 2);
});

Deno.test("S43 what is cut over TCP too fails at once", async () => {
  using test = toDisposable(start((query) => [cut(query, 512, 0x02)]));
  for (let i = 0; i < 2; i++) assert.equal(await test.ask(), "TCP: its answer can not be read");
  assert.deepEqual([test.network.seen.length, test.open()], [4, 0]);
});

Deno.test.each<{ name: string; change: (query: Message, bytes: Uint8Array) => void }>([
  { name: "has another id", change: (_, bytes) => bytes[1]! ^= 1 },
  { name: "is a query", change: (_, bytes) => bytes[2]! &= 0x7f },
  { name: "has another opcode", change: (_, bytes) => bytes[2]! |= 0x08 },
  { name: "has two questions", change: (_, bytes) => bytes[5] = 2 },
  { name: "is spelled otherwise", change: (_, bytes) => bytes[14]! ^= 0x20 },
  { name: "asks for another name", change: (_, bytes) => bytes[14] = 0x39 },
  { name: "asks for another type", change: (_, bytes) => bytes[41] = 28 },
  { name: "asks for another class", change: (_, bytes) => bytes[43] = 3 },
])("S43 a cut packet that $name is passed over", async ({ change }) => {
  using test = toDisposable(start((query) => {
    const packet = cut(query, 512);
    change(query, packet.bytes);
    return [packet, answer(query, "1.1.1.1")];
  }));
  assert.equal(await test.ask(), "1.1.1.1 udp");
});

Deno.test("what fails over TCP says so", async () => {
  const { ask } = start((query) => [{ bytes: replyTo(query, { truncated: true }) }], "refused");
  assert.equal(await ask(), "TCP: connection refused");
});

function toDisposable<T extends { asking: Asking }>(test: T): T & Disposable {
  return Object.assign(test, { [Symbol.dispose]: () => test.asking[Symbol.dispose]() });
}
