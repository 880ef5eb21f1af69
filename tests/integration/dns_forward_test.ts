import assert from "node:assert/strict";
import fc from "fast-check";
import { createChain } from "../../src/dns/chain.ts";
import { AnswerCache } from "../../src/dns/cache/answer_cache.ts";
import { TTL_BOUNDS } from "../../src/dns/cache/answer_ttl.ts";
import { CacheHandler } from "../../src/dns/cache/cache_handler.ts";
import { ForwardHandler } from "../../src/dns/forward/forward_handler.ts";
import { decodeMessage } from "../../src/dns/wire/message.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { a, replyTo } from "../testing/fake_dns_network.ts";
import { request, shown } from "../testing/dns_chain.ts";
import { createRealForwarder, serveChain, serveDns, serveMessages } from "../testing/dns_front.ts";
import { question } from "../testing/test_forwarder.ts";

const at = (port: number, hostname = "127.0.0.1") => ({ hostname, port });
const truth = (query: Parameters<typeof replyTo>[0]) =>
  replyTo(query, { answers: [a(query.questions[0]!.name, "1.1.1.1")] });

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`an upstream on ${hostname} answers over UDP`, async () => {
    using server = serveMessages((query) => [truth(query)], hostname);
    using forwarder = createRealForwarder([at(server.port, hostname)]);
    const forwarded = await forwarder.resolve(question("a.example"));
    assert.equal(forwarded.state === "answered" && forwarded.answer.transport, "udp");
  });
}

Deno.test("S43 truncated replies are asked for over one TCP connection, and over another when it is gone", async () => {
  using server = serveMessages((query, transport) => [
    transport === "udp" ? replyTo(query, { truncated: true }) : truth(query),
  ]);
  using forwarder = createRealForwarder([at(server.port)]);
  const ask = async (name: string) => {
    const forwarded = await forwarder.resolve(question(name));
    return forwarded.state === "answered" ? forwarded.answer.transport : forwarded.state;
  };
  assert.equal(await ask("probe.example"), "tcp");
  const before = server.connections;
  for (let i = 0; i < 5; i++) assert.equal(await ask(`${i}.example`), "tcp");
  assert.equal(server.connections, before, "the idle connection is used again");
  server.hangUp();
  assert.equal(await ask("again.example"), "tcp");
  assert.equal(server.connections, before + 1);
});

Deno.test("S43 a reply that is longer than what is received at once is asked for over TCP", async () => {
  const long = (query: Parameters<typeof replyTo>[0]) => {
    const { name } = query.questions[0]!;
    const answers = Array.from({ length: 400 }, (_, i) => a(name, `10.0.${i >> 8}.${i & 255}`));
    return replyTo(query, { answers });
  };
  using server = serveMessages((query) => [long(query)]);
  using forwarder = createRealForwarder([at(server.port)]);
  const forwarded = await forwarder.resolve(question("a.example"));
  assert.equal(forwarded.state, "answered");
  const { message, transport } = forwarded.answer;
  assert.deepEqual([message.answers.length, transport], [400, "tcp"]);
});

Deno.test("S42 an upstream that goes away: kept answers are served, others fail, and it is found again", async () => {
  let alive = true;
  using server = serveMessages((query) => alive ? [truth(query)] : []);
  using forwarder = createRealForwarder([at(server.port)], { minTimeoutMs: 20, deadlineMs: 300 });
  const cache = new AnswerCache(
    { maxBytes: 1_000_000, maxStaleMs: 60_000, ttl: { ...TTL_BOUNDS, maxPositive: 0, min: 0 } },
    systemClock,
  );
  const handler = new CacheHandler(cache, systemClock);
  const chain = createChain([handler, new ForwardHandler(forwarder)]);
  const ask = async (name: string) => shown(request(name), await chain(request(name)));
  assert.match(await ask("a.example"), /^upstream NOERROR/);
  alive = false;
  assert.equal(await ask("a.example"), "stale NOERROR EDE3 a.example. 30 IN A 1.1.1.1");
  assert.equal(await ask("new.example"), "none SERVFAIL EDE22");
  const until = async (state: string) => {
    while (forwarder.status()[0]!.state !== state) await systemClock.sleep(20);
  };
  await until("down");
  assert.equal(await ask("other.example"), "none SERVFAIL EDE22");
  alive = true;
  await until("up");
  assert.match(await ask("other.example"), /^upstream NOERROR/);
});

Deno.test("S42 an address where nobody listens fails, and nothing stays open", async () => {
  const gone = serveMessages(() => []);
  gone[Symbol.dispose]();
  using forwarder = createRealForwarder([at(gone.port)], { minTimeoutMs: 20, deadlineMs: 100 });
  assert.equal((await forwarder.resolve(question("a.example"))).state, "late");
});

Deno.test("S45 a server that is its own upstream finds out, and goes on answering", async () => {
  let chain = createChain([]);
  using front = serveChain((asked) => chain(asked));
  using forwarder = createRealForwarder([at(front.port)], { deadlineMs: 400 });
  chain = createChain([new ForwardHandler(forwarder)]);
  while (forwarder.status()[0]!.state !== "looping") await systemClock.sleep(5);
  for (let i = 0; i < 5; i++) {
    const asked = request(`${i}.example`);
    assert.equal(shown(asked, await chain(asked)), "none SERVFAIL EDE22");
  }
});

Deno.test("S43 an upstream that sends garbage costs nothing but its answer", async () => {
  let garbage: Uint8Array[] = [];
  using server = serveDns((packet, transport) => {
    const query = decodeMessage(packet);
    const tail = transport === "udp" ? [truth(query)] : [];
    return [...garbage, ...tail];
  });
  using forwarder = createRealForwarder([at(server.port)]);
  let i = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }),
      async (junk) => {
        garbage = junk.map((bytes) => Uint8Array.from(bytes));
        const forwarded = await forwarder.resolve(question(`${i++}.example`));
        assert.equal(forwarded.state, "answered");
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("many questions at a time, all answered", async () => {
  using server = serveMessages((query) => [truth(query)]);
  using forwarder = createRealForwarder([at(server.port)]);
  const asked = Array.from({ length: 500 }, (_, i) => forwarder.resolve(question(`${i}.example`)));
  const states = new Set((await Promise.all(asked)).map(({ state }) => state));
  assert.deepEqual([...states], ["answered"]);
  assert.equal(forwarder.flights, 0);
});
