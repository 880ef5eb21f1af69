import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS } from "../../../tests/testing/arbitraries.ts";
import { request, shown } from "../../../tests/testing/dns_chain.ts";
import { dnsMessage, ednsOf, queryPacket } from "../../../tests/testing/dns_messages.ts";
import {
  answering,
  type FakeServer,
  replyTo,
  silent,
} from "../../../tests/testing/fake_dns_network.ts";
import { startForwarder } from "../../../tests/testing/test_forwarder.ts";
import { AnswerCache } from "../cache/answer_cache.ts";
import { TTL_BOUNDS } from "../cache/answer_ttl.ts";
import { CacheHandler } from "../cache/cache_handler.ts";
import { createChain, type DnsRequest } from "../chain.ts";
import { createTargetResolver } from "../target_resolver.ts";
import { decodeMessage } from "../wire/message.ts";
import { receiveQuery } from "../wire/query.ts";
import { TYPE } from "../wire/record_type.ts";
import { formatReply, replyLimit } from "../wire/reply.ts";
import { ForwardHandler } from "./forward_handler.ts";

function start(server: FakeServer, options = {}) {
  const test = startForwarder({ "10.0.0.1": server }, options);
  const cache = new AnswerCache({ maxBytes: 500_000, maxStaleMs: 0, ttl: TTL_BOUNDS }, test.clock);
  const forward = createChain([new ForwardHandler(test.forwarder)]);
  const cached = createChain([
    new CacheHandler(cache, test.clock),
    new ForwardHandler(test.forwarder),
  ]);
  const ask = async (fields: Partial<DnsRequest["query"]> = {}, name = "a.example") => {
    const asked = request(name, fields);
    const handled = Promise.resolve(forward(asked));
    await test.clock.advance(6_000);
    return shown(asked, await handled);
  };
  return { ...test, ask, cached, [Symbol.dispose]: () => test[Symbol.dispose]() };
}

Deno.test.each<{ name: string; fields: Partial<DnsRequest["query"]>; want: string }>([
  { name: "no recursion desired", fields: { recursionDesired: false }, want: "EDE20" },
  { name: "class CH", fields: { class: 3 }, want: "EDE21" },
  { name: "a zone transfer", fields: { type: TYPE.AXFR }, want: "EDE21" },
  { name: "a zone's changes", fields: { type: TYPE.IXFR }, want: "EDE21" },
])("ForwardHandler refuses $name, and asks nobody", async ({ fields, want }) => {
  using test = start(answering("1.1.1.1"));
  assert.equal(await test.ask(fields), `none REFUSED ${want}`);
  assert.deepEqual(test.network.queriesTo("10.0.0.1:53"), []);
});

Deno.test("ForwardHandler passes on what an upstream says, its extended error too", async () => {
  const ede = { code: 15, data: Uint8Array.of(0, 15, 0x62, 0x61, 0x64) };
  const edns = { ...ednsOf(1232), options: [ede] };
  using test = start((query) => [{ bytes: replyTo(query, { rcode: 3, edns }) }]);
  assert.equal(await test.ask(), "upstream NXDOMAIN EDE15");
  using badvers = start((query) => [{ bytes: replyTo(query, { rcode: 16, edns: ednsOf(512) }) }]);
  assert.equal(
    await badvers.ask(),
    "upstream SERVFAIL",
    "a code of more bits is not cut to another",
  );
});

Deno.test("ForwardHandler says which name servers did not answer, and why", async () => {
  const cut: FakeServer = (query) => {
    const truncated = query.questions[0]!.name.toLowerCase() === "a.example";
    return [{ bytes: replyTo(query, { truncated }) }];
  };
  using test = startForwarder({ "10.0.0.1": cut, "10.0.0.2": silent });
  test.network.withoutTcp.set("10.0.0.1:53", "refused");
  const chain = createChain([new ForwardHandler(test.forwarder)]);
  const why = async () => {
    const handled = Promise.resolve(chain(request("a.example")));
    await test.clock.advance(5_000);
    const { answer, why } = await handled;
    assert.deepEqual(answer.extendedError, { code: 22, text: why });
    return why;
  };
  const [first, second] = [
    "10.0.0.1:53: TCP: connection refused",
    "10.0.0.2:53: did not answer in time",
  ];
  assert.equal(await why(), `no name server answered: ${first}; ${second}`);
  await test.clock.advance(5_000);
  assert.equal(await why(), `no name server answered: ${first}; 10.0.0.2:53: is down`);
});

Deno.test("ForwardHandler says why there is no answer", async () => {
  using late = start(() => [], { deadlineMs: 900 });
  assert.equal(await late.ask(), "none SERVFAIL EDE22");
  using full = start(() => [], { maxConcurrent: 0 });
  assert.equal(await full.ask(), "none REFUSED EDE0");
  full.forwarder.configure({ upstreams: [], stubs: [] });
  assert.equal(await full.ask(), "none SERVFAIL EDE22");
});

Deno.test("a client that asks for many slow names is refused beyond its share, and others get through", async () => {
  const slow: FakeServer = (query, transport) =>
    query.questions[0]!.name.toLowerCase().endsWith(".slow")
      ? []
      : answering("1.1.1.1")(query, transport);
  using test = start(slow, { maxConcurrent: 100 });
  const ask = (address: string, name: string) => {
    const asked = { ...request(name), client: { address, port: 4_000 } };
    return Promise.resolve(test.cached(asked)).then((handled) => shown(asked, handled));
  };
  const hog = Array.from({ length: 200 }, (_, i) => ask("10.42.0.66", `${i}.slow`));
  await test.clock.advance(0);
  assert.equal(test.forwarder.flights, 25);
  assert.match(await ask("10.42.0.9", "a.example"), /^upstream NOERROR/);
  assert.equal(await ask("10.42.0.66", "b.example"), "none REFUSED EDE0");
  await test.clock.advance(10_000);
  const said = Map.groupBy(await Promise.all(hog), (each) => each);
  assert.deepEqual([...said].map(([each, { length }]) => `${length} ${each}`), [
    "25 none SERVFAIL EDE22",
    "175 none REFUSED EDE0",
  ]);
  assert.match(await ask("10.42.0.66", "c.example"), /^upstream NOERROR/);
});

Deno.test("S43 an answer that grows beyond 64 KiB, as its names may not be compressed, is SERVFAIL", async () => {
  const target = Array.from({ length: 3 }, () => "x".repeat(63)).join(".");
  const server: FakeServer = (query) => {
    const { name, type } = query.questions[0]!;
    if (name === "" || type === TYPE.HINFO) return answering("1.1.1.1")(query, "udp");
    // By hand: each target is a pointer to one name, which we must write out (RFC 2782).
    const head = replyTo(query, {
      answers: [{ name, type: 5, class: 1, ttlSeconds: 1, data: { kind: "name", target } }],
    });
    const count = 1_000;
    const at = head.length - target.length - 2;
    const bytes = new Uint8Array(head.length + count * 20);
    bytes.set(head);
    bytes[6] = (count + 1) >> 8;
    bytes[7] = (count + 1) & 255;
    for (let i = 0; i < count; i++) {
      const srv = [
        0xc0,
        12,
        0,
        33,
        0,
        1,
        0,
        0,
        0,
        9,
        0,
        8,
        0,
        0,
        0,
        0,
        0,
        80,
        0xc0 | at >> 8,
        at & 255,
      ];
      bytes.set(srv, head.length + i * 20);
    }
    return [{ bytes }];
  };
  using test = start(server);
  assert.equal(await test.ask(), "none SERVFAIL EDE0");
});

Deno.test("S43 whatever message an upstream answers with, the client gets one that can be read", async () => {
  await fc.assert(
    fc.asyncProperty(dnsMessage, fc.boolean(), async (message, withEdns) => {
      using test = start((query) => [{
        bytes: replyTo(query, {
          ...message,
          id: query.id,
          response: true,
          opcode: 0,
          questions: query.questions,
        }),
      }]);
      const packet = queryPacket("a.example", 1, withEdns ? { edns: ednsOf(1232) } : {});
      const received = receiveQuery(packet);
      assert.equal(received.state, "query");
      if (received.state !== "query") return;
      const { query } = received;
      const handled = Promise.resolve(test.cached({ query, transport: "udp" }));
      await test.clock.advance(10_000);
      const limit = replyLimit(query, "udp");
      const reply = formatReply(query, (await handled).answer, { limit });
      assert.ok(reply.length <= limit);
      assert.equal(decodeMessage(reply).id, query.id);
      const target = createTargetResolver(test.cached)("a.example", 1);
      await test.clock.advance(10_000);
      await target;
    }),
    { numRuns: Math.ceil(FUZZ_RUNS / 20) },
  );
});
