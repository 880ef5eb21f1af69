import assert from "node:assert/strict";
import {
  answering,
  type FakeServer,
  replyTo,
  silent,
} from "../../../tests/testing/fake_dns_network.ts";
import {
  question,
  seededBytes,
  startForwarder,
  stateOf,
  type TestForwarder,
} from "../../../tests/testing/test_forwarder.ts";
import { TYPE } from "../wire/record_type.ts";
import type { Forwarded } from "./forwarder.ts";

/** The first address of an answer, or its state. */
function shown(forwarded: Forwarded): string {
  if (forwarded.state !== "answered") return forwarded.state;
  const { message, transport } = forwarded.answer;
  const [first] = message.answers;
  const said = first?.data.kind === "address" ? first.data.address : `rcode ${message.rcode}`;
  return `${said} ${transport}`;
}

async function ask(test: TestForwarder, name: string, advanceMs = 0): Promise<string> {
  const asked = test.forwarder.resolve(question(name));
  await test.clock.advance(advanceMs);
  return shown(await asked);
}

const failing = (rcode: number): FakeServer => (query) => [{ bytes: replyTo(query, { rcode }) }];

Deno.test("Forwarder asks the first upstream and no other", async () => {
  using test = startForwarder({ "10.0.0.1": answering("1.1.1.1"), "10.0.0.2": silent });
  assert.equal(await ask(test, "a.example"), "1.1.1.1 udp");
  assert.deepEqual(test.network.queriesTo("10.0.0.2:53"), []);
});

Deno.test("Forwarder asks the next upstream when one is slow, and takes whose answer comes first", async () => {
  using test = startForwarder({ "10.0.0.1": silent, "10.0.0.2": answering("2.2.2.2", 10) });
  assert.equal(await ask(test, "a.example", 1_010), "2.2.2.2 udp");
  // The slow one stays asked: its answer is late, not lost.
  using late = startForwarder({ "10.0.0.1": answering("1.1.1.1", 1_500), "10.0.0.2": silent });
  assert.equal(await ask(late, "a.example", 1_500), "1.1.1.1 udp");
});

Deno.test("Forwarder asks another upstream when one can't answer, and takes the failure if all do", async () => {
  using test = startForwarder({ "10.0.0.1": failing(2), "10.0.0.2": answering("2.2.2.2") });
  assert.equal(await ask(test, "a.example"), "2.2.2.2 udp");
  using both = startForwarder({ "10.0.0.1": failing(2), "10.0.0.2": failing(5) });
  assert.equal(await ask(both, "a.example"), "rcode 5 udp");
  assert.deepEqual(both.states(), [], "whoever answers is up");
});

Deno.test("Forwarder shares one query among those who ask the same at a time", async () => {
  using test = startForwarder({ "10.0.0.1": answering("1.1.1.1", 50) });
  const asked = Array.from({ length: 20 }, () => test.forwarder.resolve(question("a.example")));
  const other = test.forwarder.resolve(question("b.example"));
  await test.clock.advance(50);
  for (const each of await Promise.all([...asked, other])) {
    assert.equal(shown(each), "1.1.1.1 udp");
  }
  assert.equal(test.network.queriesTo("10.0.0.1:53").length, 2);
});

Deno.test("Forwarder refuses more than maxConcurrent questions at a time", async () => {
  const options = { maxConcurrent: 3 };
  using test = startForwarder({ "10.0.0.1": answering("1.1.1.1", 50) }, options);
  const asked = Array.from(
    { length: 5 },
    (_, i) => test.forwarder.resolve(question(`${i}.example`)),
  );
  await test.clock.advance(50);
  const states = (await Promise.all(asked)).map(({ state }) => state);
  assert.deepEqual(states, ["answered", "answered", "answered", "overloaded", "overloaded"]);
  assert.equal(await ask(test, "again.example", 50), "1.1.1.1 udp");
});

Deno.test("Forwarder sends names of a stub zone to its own upstreams", async () => {
  using test = startForwarder({
    "10.0.0.1": answering("1.1.1.1"),
    "10.0.0.2": answering("2.2.2.2"),
    "10.0.0.3": answering("3.3.3.3"),
  });
  const at = (hostname: string) => [{ hostname, port: 53 }];
  test.forwarder.configure({
    upstreams: at("10.0.0.1"),
    stubs: [
      { zone: "corp.example", upstreams: at("10.0.0.2") },
      { zone: "lab.corp.example", upstreams: at("10.0.0.3") },
      { zone: "nobody.example", upstreams: [] },
    ],
  });
  assert.equal(await ask(test, "corp.example"), "2.2.2.2 udp");
  assert.equal(await ask(test, "a.corp.example"), "2.2.2.2 udp");
  assert.equal(await ask(test, "a.lab.corp.example"), "3.3.3.3 udp");
  assert.equal(await ask(test, "notcorp.example"), "1.1.1.1 udp");
  assert.equal(await ask(test, "a.nobody.example"), "no-upstream");
});

Deno.test("S42 with all upstreams down an answer comes at once, and one probe at a time finds them back", async () => {
  using test = startForwarder({ "10.0.0.1": silent, "10.0.0.2": silent });
  const first = test.forwarder.resolve(question("a.example"));
  await test.clock.advance(5_000);
  assert.equal((await first).state, "late");
  await test.clock.advance(5_000);
  assert.deepEqual(test.forwarder.status().map(({ state }) => state), ["down", "down"]);

  // Not a millisecond passes, and nothing is sent.
  const before = test.network.seen.length;
  assert.equal(await stateOf(test.clock, test.forwarder.resolve(question("b"))), "unreachable");
  assert.equal(test.network.seen.length, before);

  // One hour: at most one probe of each per 5 s.
  await test.clock.advance(3_600_000);
  const probes = test.network.seen.length - before;
  assert.ok(probes > 600 && probes < 1_500, `${probes} probes`);

  test.network.servers.set("10.0.0.2:53", answering("2.2.2.2"));
  await test.clock.advance(10_000);
  assert.equal(await ask(test, "c.example"), "2.2.2.2 udp");
});

Deno.test("S42 without a route the answer comes at once, and hurry() finds the way back", async () => {
  using test = startForwarder({ "10.0.0.1": answering("1.1.1.1"), "10.0.0.2": silent });
  test.network.noRoute = new Error("Network is unreachable (os error 101)");
  assert.equal(await stateOf(test.clock, test.forwarder.resolve(question("a"))), "unreachable");
  await test.clock.advance(60_000);
  assert.deepEqual(test.forwarder.status().map(({ state }) => state), ["down", "down"]);
  test.network.noRoute = undefined;
  test.forwarder.hurry();
  await test.clock.advance(0);
  assert.equal(await ask(test, "a.example"), "1.1.1.1 udp");
});

Deno.test("S42 upstreams that nobody can reach from the start on are down before anybody asks", async () => {
  using test = startForwarder({ "10.0.0.1": silent, "10.0.0.2": silent });
  await test.clock.advance(6_000);
  assert.deepEqual(test.forwarder.status().map(({ state }) => state), ["down", "down"]);
  assert.equal(await stateOf(test.clock, test.forwarder.resolve(question("a"))), "unreachable");
});

Deno.test("an upstream that answers no probe for loops is used on", async () => {
  const server: FakeServer = (query, transport) =>
    query.questions[0]!.type === TYPE.HINFO ? [] : answering("1.1.1.1")(query, transport);
  using test = startForwarder({ "10.0.0.1": server });
  await test.clock.advance(6_000);
  assert.deepEqual(test.states(), ["10.0.0.1:53 up>suspect", "10.0.0.1:53 suspect>up"]);
  assert.equal(await ask(test, "a.example"), "1.1.1.1 udp");
});

Deno.test("an upstream that spells in its own way and drops TCP is not taken for down", async () => {
  const server: FakeServer = (query) => {
    const [asked] = query.questions;
    const questions = [{ ...asked!, name: asked!.name.toLowerCase() }];
    return asked!.type === TYPE.HINFO ? [] : [{ bytes: replyTo(query, { questions }) }];
  };
  using test = startForwarder({});
  const address = { hostname: "10.0.0.1", port: 53 };
  test.network.servers.set("10.0.0.1:53", server);
  test.network.withoutTcp.set("10.0.0.1:53", "dropped");
  const stubs = [{ zone: "corp.example", upstreams: [address] }];
  test.forwarder.configure({ upstreams: [], stubs });
  await test.clock.advance(10_000);
  assert.deepEqual(test.states(), ["10.0.0.1:53 up>suspect", "10.0.0.1:53 suspect>up"]);
});

Deno.test("S42 doubt() finds out that upstreams are gone before anybody asks, or that they are not", async () => {
  let alive = true;
  const server: FakeServer = (query) => alive ? answering("1.1.1.1", 20)(query, "udp") : [];
  using test = startForwarder({ "10.0.0.1": server });
  await test.clock.advance(1_000);
  test.forwarder.doubt();
  await test.clock.advance(1_000);
  assert.deepEqual(test.states(), ["10.0.0.1:53 up>suspect", "10.0.0.1:53 suspect>up"]);
  alive = false;
  test.forwarder.doubt();
  await test.clock.advance(2_000);
  assert.equal(await stateOf(test.clock, test.forwarder.resolve(question("a"))), "unreachable");
});

Deno.test("S42 a question that waits while the last upstream goes down waits no longer", async () => {
  using test = startForwarder({ "10.0.0.1": silent }, { deadlineMs: 60_000 });
  const early = test.forwarder.resolve(question("a.example"));
  for (let i = 0; i < 60 && test.forwarder.status()[0]!.state !== "down"; i++) {
    await test.clock.advance(500);
  }
  assert.equal(await stateOf(test.clock, early), "unreachable");
  assert.ok(test.clock.monotonic() < 10_000, `${test.clock.monotonic()} ms`);
});

Deno.test("Forwarder does not take an upstream for down that is slow with one name", async () => {
  const slow: FakeServer = (query) =>
    query.questions[0]!.name.toLowerCase() === "slow.example"
      ? []
      : answering("1.1.1.1", 5)(query, "udp");
  using test = startForwarder({ "10.0.0.1": slow });
  for (let i = 0; i < 5; i++) assert.equal(await ask(test, `${i}.example`, 5), "1.1.1.1 udp");
  assert.equal(await ask(test, "slow.example", 5_000), "late");
  assert.ok(!test.states().some((state) => state.endsWith(">down")), test.states().join());
  assert.equal(await ask(test, "other.example", 5), "1.1.1.1 udp");
});

Deno.test("S45 a forwarding loop never stops the server: the upstream is left out until it is none", async () => {
  let loops = true;
  // What is asked comes back to us as a client's question.
  const looping: FakeServer = (query) => {
    const { name, type } = query.questions[0]!;
    if (!loops) return answering("1.1.1.1", 5)(query, "udp");
    if (test.forwarder.isOwnProbe(name.toLowerCase(), type)) {
      return [{ bytes: replyTo(query, { rcode: 5 }) }];
    }
    queueMicrotask(() => void test.forwarder.resolve(question(name.toLowerCase(), type)));
    return [];
  };
  using test: TestForwarder = startForwarder({
    "10.0.0.1": silent,
    "10.0.0.2": answering("2.2.2.2"),
  });
  test.network.servers.set("10.0.0.1:53", looping);
  const first = test.forwarder.resolve(question("a.example"));
  await test.clock.advance(1_000);
  assert.equal(shown(await first), "2.2.2.2 udp", "a loop costs one time-out");
  // It had its first look before the loop came up: the next one finds out.
  await test.clock.advance(20_000);
  const state = () => test.forwarder.status()[0]!.state;
  assert.equal(state(), "looping");
  const sent = test.network.queriesTo("10.0.0.1:53").length;
  assert.equal(await ask(test, "c.example"), "2.2.2.2 udp");
  assert.equal(test.network.queriesTo("10.0.0.1:53").length, sent);

  loops = false;
  await test.clock.advance(61_000);
  assert.equal(state(), "up");
  assert.equal(await ask(test, "d.example", 5), "1.1.1.1 udp");
});

Deno.test("S45 a loop is found at the start, before any question", async () => {
  const looping: FakeServer = (query) => {
    const { name, type } = query.questions[0]!;
    queueMicrotask(() => void test.forwarder.isOwnProbe(name.toLowerCase(), type));
    return [];
  };
  using test: TestForwarder = startForwarder({ "10.0.0.1": looping });
  await test.clock.advance(0);
  assert.deepEqual(test.states(), ["10.0.0.1:53 up>looping"]);
  assert.equal(await stateOf(test.clock, test.forwarder.resolve(question("a"))), "unreachable");
});

/** A name server that knows `lan` and asks us for all else, as a dnsmasq of the host may. */
function knowingLan(isOwnProbe: (name: string, type: number) => boolean): FakeServer {
  return (query, transport) => {
    const { name, type } = query.questions[0]!;
    if (name.toLowerCase().endsWith("lan")) return answering("192.168.0.9")(query, transport);
    isOwnProbe(name.toLowerCase(), type);
    return [];
  };
}

Deno.test("S45 a stub domain's own server is asked although it leads back to us for all other names", async () => {
  using test: TestForwarder = startForwarder({});
  test.network.servers.set(
    "10.0.0.1:53",
    knowingLan((name, type) => test.forwarder.isOwnProbe(name, type)),
  );
  const upstreams = [{ hostname: "10.0.0.1", port: 53 }];
  test.forwarder.configure({ upstreams, stubs: [{ zone: "lan", upstreams }] });
  assert.equal(await ask(test, "printer.lan", 2_000), "192.168.0.9 udp");
  assert.equal(await ask(test, "a.example"), "unreachable");
  // Nor does what becomes of other names say whether it lives.
  test.forwarder.doubt();
  await test.clock.advance(700_000);
  assert.equal(await ask(test, "scanner.lan"), "192.168.0.9 udp");
  await test.clock.advance(10_000);
  assert.deepEqual(test.forwarder.status(), [
    { upstream: "10.0.0.1:53", state: "looping" },
    { upstream: "10.0.0.1:53", zone: "lan", state: "up", roundTripMs: 0 },
  ]);
});

Deno.test("S45 a stub domain's server that asks us for its names is left out for them alone", async () => {
  const server: FakeServer = (query, transport) => {
    const { name, type } = query.questions[0]!;
    const isLan = name.toLowerCase().endsWith("lan");
    if (isLan) test.forwarder.isOwnProbe(name.toLowerCase(), type);
    return isLan ? [] : answering("1.1.1.1")(query, transport);
  };
  using test: TestForwarder = startForwarder({ "10.0.0.1": server });
  const upstreams = [{ hostname: "10.0.0.1", port: 53 }];
  test.forwarder.configure({ upstreams, stubs: [{ zone: "lan", upstreams }] });
  assert.equal(await ask(test, "printer.lan", 1_000), "unreachable");
  assert.equal(await ask(test, "a.example"), "1.1.1.1 udp");
  assert.deepEqual(test.states(), ["10.0.0.1:53 up>looping"]);
});

Deno.test("a stub domain whose name leaves no room for a probe is asked all the same", async () => {
  using test = startForwarder({ "10.0.0.1": answering("1.1.1.1") });
  const zone = Array.from({ length: 4 }, () => "x".repeat(60)).join(".");
  const upstreams = [{ hostname: "10.0.0.1", port: 53 }];
  test.forwarder.configure({ upstreams: [], stubs: [{ zone, upstreams }] });
  assert.equal(await ask(test, `a.${zone}`, 3_600_000), "1.1.1.1 udp");
  assert.equal(await ask(test, `b.${zone}`, 10_000), "1.1.1.1 udp");
});

Deno.test("configure() keeps what is known of upstreams that stay", async () => {
  using test = startForwarder({ "10.0.0.1": silent, "10.0.0.2": answering("2.2.2.2") });
  assert.equal(await ask(test, "a.example", 10_000), "2.2.2.2 udp");
  assert.equal(test.forwarder.status()[0]!.state, "down");
  const upstreams = ["10.0.0.1", "10.0.0.3"].map((hostname) => ({ hostname, port: 53 }));
  test.network.servers.set("10.0.0.3:53", answering("3.3.3.3"));
  test.forwarder.configure({ upstreams, stubs: [] });
  assert.equal(await ask(test, "b.example"), "3.3.3.3 udp");
  assert.deepEqual(
    test.forwarder.status().map(({ upstream, state }) => `${upstream} ${state}`),
    ["10.0.0.1:53 down", "10.0.0.3:53 up"],
  );
});

Deno.test("dispose ends what is under way and leaves nothing open", async () => {
  const test = startForwarder({ "10.0.0.1": silent, "10.0.0.2": silent });
  const asked = test.forwarder.resolve(question("a.example"));
  await test.clock.advance(1_500);
  test.forwarder[Symbol.dispose]();
  assert.equal((await asked).state, "late");
  await test.clock.advance(60_000);
  assert.deepEqual([test.network.openSockets, test.clock.pending], [0, 0]);
});

Deno.test("an upstream behind a line that loses a third of the packets is used on", async () => {
  const chance = seededBytes(7);
  const lossy: FakeServer = (query, transport) =>
    chance(1)[0]! < 85 ? [] : answering("1.1.1.1", 20)(query, transport);
  using test = startForwarder({ "10.0.0.1": lossy });
  let answered = 0;
  for (let i = 0; i < 50; i++) {
    if (await ask(test, `${i}.example`, 5_000) === "1.1.1.1 udp") answered++;
  }
  assert.ok(answered >= 48, `${answered} of 50`);
});
