/**
 * What is behind the cluster zone: answers per second from the cache, what 100,000 kept answers take of
 * memory and disk, questions per second through real sockets of this host, and what an answer costs when
 * all upstreams are down.
 *
 *     deno run -A --v8-flags=--expose-gc tests/bench/dns_forward.ts
 */
import { AnswerCache } from "../../src/dns/cache/answer_cache.ts";
import { TTL_BOUNDS } from "../../src/dns/cache/answer_ttl.ts";
import { formatCacheFile, parseCacheFile } from "../../src/dns/cache/cache_file.ts";
import { CacheHandler } from "../../src/dns/cache/cache_handler.ts";
import { createChain } from "../../src/dns/chain.ts";
import { ForwardHandler } from "../../src/dns/forward/forward_handler.ts";
import { receiveQuery } from "../../src/dns/wire/query.ts";
import { formatReply, MAX_UDP_BYTES, replyLimit } from "../../src/dns/wire/reply.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { handledOf, request } from "../testing/dns_chain.ts";
import { createRealForwarder, serveMessages } from "../testing/dns_front.ts";
import { ednsOf, queryPacket } from "../testing/dns_messages.ts";
import { a, replyTo } from "../testing/fake_dns_network.ts";
import { question } from "../testing/test_forwarder.ts";

const print = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const MIB = 2 ** 20;
const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
const gc = (globalThis as { gc?: () => void }).gc ?? (() => {});
const perSecond = (count: number, startMs: number) =>
  Math.round(count / (performance.now() - startMs) * 1_000);
const nameOf = (i: number) => `host-${i}.some-domain.example.com`;

async function used(): Promise<{ heap: number; rss: number }> {
  gc();
  await systemClock.sleep(300);
  gc();
  const { heapUsed, rss } = Deno.memoryUsage();
  return { heap: heapUsed, rss };
}

const ENTRIES = 100_000;
const cache = new AnswerCache(
  { maxBytes: 256 * MIB, maxStaleMs: 259_200_000, ttl: TTL_BOUNDS },
  systemClock,
);
const before = await used();
for (let i = 0; i < ENTRIES; i++) {
  const [name, address] = [nameOf(i), `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`];
  cache.store(`1 ${name}`, handledOf(name, { answers: [a(name, address, 3_000)] }).answer);
  // As it would be: not all within one turn.
  if (i % 1_000 === 0) await systemClock.sleep(0);
}
const after = await used();
const each = (bytes: number) => `${Math.round(bytes / ENTRIES)} bytes each`;
print(
  `${ENTRIES} kept answers: heap ${each(after.heap - before.heap)}, resident ${
    each(after.rss - before.rss)
  }, counted as ${each(cache.bytes)}`,
);

const times = () => ({ nowMs: systemClock.now(), monotonicMs: systemClock.monotonic() });
let start = performance.now();
const file = formatCacheFile(cache.entries(), times());
const formatMs = performance.now() - start;
start = performance.now();
parseCacheFile(file, times());
print(
  `their file: ${mib(file.length)}, written in ${Math.round(formatMs)} ms, read in ${
    Math.round(performance.now() - start)
  } ms`,
);

const chain = createChain([new CacheHandler(cache, systemClock)]);
const packets = Array.from(
  { length: 1_000 },
  (_, i) => queryPacket(nameOf(i), 1, { edns: ednsOf(MAX_UDP_BYTES) }),
);
const HITS = 300_000;
for (let round = 0; round < 3; round++) {
  start = performance.now();
  for (let i = 0; i < HITS; i++) {
    const received = receiveQuery(packets[i % packets.length]!);
    if (received.state !== "query") continue;
    const { query } = received;
    const handled = chain({ query, transport: "udp" });
    if (handled instanceof Promise) throw new Error("not from the cache");
    formatReply(query, handled.answer, { limit: replyLimit(query, "udp") });
  }
}
print(`from the cache, bytes to bytes: ${perSecond(HITS, start)}/s`);

const server = serveMessages((query) => [
  replyTo(query, { answers: [a(query.questions[0]!.name, "1.1.1.1")] }),
]);
const upstreams = [{ hostname: "127.0.0.1", port: server.port }];
const forwarder = createRealForwarder(upstreams);
const QUESTIONS = 20_000;
for (const clients of [1, 50, 500]) {
  let asked = 0;
  const tookMs: number[] = [];
  start = performance.now();
  await Promise.all(Array.from({ length: clients }, async () => {
    while (asked < QUESTIONS) {
      const from = performance.now();
      await forwarder.resolve(question(`${asked++}.clients-${clients}.example`));
      tookMs.push(performance.now() - from);
    }
  }));
  const qps = perSecond(QUESTIONS, start);
  tookMs.sort((x, y) => x - y);
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)]!.toFixed(2);
  print(`forwarded, ${clients} at a time: ${qps}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

server[Symbol.dispose]();
start = performance.now();
const first = await forwarder.resolve(question("first.offline.example"));
print(
  `the first question without upstreams: ${first.state} after ${
    Math.round(performance.now() - start)
  } ms`,
);
while (forwarder.status()[0]!.state !== "down") await systemClock.sleep(10);
print(`known to be down after ${Math.round(performance.now() - start)} ms`);
const offline = createChain([new CacheHandler(cache, systemClock), new ForwardHandler(forwarder)]);
start = performance.now();
const MISSES = 50_000;
for (let i = 0; i < MISSES; i++) await offline(request(`miss-${i}.example`));
print(`a miss without upstreams: ${((performance.now() - start) * 1_000 / MISSES).toFixed(1)} us`);
forwarder[Symbol.dispose]();
