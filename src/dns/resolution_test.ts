import { configureSync, getLogger, resetSync } from "@logtape/logtape";
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { request } from "../../tests/testing/dns_chain.ts";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import {
  a,
  answering,
  FakeDnsNetwork,
  type FakeServer,
  replyTo,
  silent,
} from "../../tests/testing/fake_dns_network.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { seededBytes } from "../../tests/testing/test_forwarder.ts";
import { DnsConfig } from "./config.ts";
import { createDnsMetrics } from "./metrics.ts";
import { createResolution } from "./resolution.ts";
import { ClusterZone } from "./zone/cluster_zone.ts";

/** All that answers a question, with one name server, and what is logged of it: `info down>up`. */
function start(server: FakeServer) {
  const clock = new FakeClock();
  const network = new FakeDnsNetwork(clock);
  network.servers.set("10.0.0.1:53", server);
  const zone = new ClusterZone({}, clock);
  const logged: string[] = [];
  configureSync({
    reset: true,
    sinks: {
      all: ({ level, properties: { from, to } }) => void logged.push(`${level} ${from}>${to}`),
    },
    loggers: [
      { category: "test", sinks: ["all"], lowestLevel: "debug" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  const resolution = createResolution(DnsConfig.parse({}), {
    ...{ clock, network, zone },
    fs: new FakeFs(),
    logger: getLogger(["test"]),
    metrics: createDnsMetrics(new Registry(), zone, () => []),
    random: () => 0.5,
    randomBytes: seededBytes(),
    podOf: () => undefined,
    hostDomains: () => [],
    cachePath: "/state/dns-cache",
  });
  zone.synced = true;
  const upstreams = [{ hostname: "10.0.0.1", port: 53 }];
  resolution.forwarder.configure({ upstreams, stubs: [] });
  const ask = async (name: string, advanceMs = 0, type = 1): Promise<string> => {
    const handled = Promise.resolve(resolution.chain(request(name, { type })));
    await clock.advance(advanceMs);
    return (await handled).source;
  };
  return {
    ...{ clock, network, logged, ask },
    asked: () => network.queriesTo("10.0.0.1:53").length,
    [Symbol.dispose]() {
      resolution[Symbol.dispose]();
      resetSync();
    },
  };
}

/** A name server that lives, and at times does not answer for names below `example`. */
function brokenAtTimes(isBroken: () => boolean): FakeServer {
  return (query) => {
    const { name } = query.questions[0]!;
    if (!name.toLowerCase().endsWith(".example")) return [{ bytes: replyTo(query, { rcode: 3 }) }];
    return isBroken() ? [] : [{ bytes: replyTo(query, { answers: [a(name, "1.1.1.1", 60)] }) }];
  };
}

Deno.test("a name that can't be renewed is asked for again after 30 s, though its name server lives", async () => {
  let isBroken = false;
  using test = start(brokenAtTimes(() => isBroken));
  assert.equal(await test.ask("a.example"), "upstream");
  isBroken = true;
  await test.clock.advance(61_000);
  assert.equal(await test.ask("a.example", 1_800), "stale");
  await test.clock.advance(5_000);
  const asked = test.asked();
  for (let i = 0; i < 6; i++) assert.equal(await test.ask("a.example", 4_000), "stale");
  assert.equal(test.asked(), asked, "and until then the stale answer comes at once");
  isBroken = false;
  await test.clock.advance(5_000);
  assert.equal(await test.ask("a.example"), "upstream");
});

Deno.test("S42 a name that could not be renewed is asked for at once when its name server is back", async () => {
  using test = start(answering("1.1.1.1"));
  assert.equal(await test.ask("a.example"), "upstream");
  await test.clock.advance(301_000);
  test.network.servers.set("10.0.0.1:53", silent);
  assert.equal(await test.ask("a.example", 10_000), "stale");
  test.network.servers.set("10.0.0.1:53", answering("2.2.2.2"));
  await test.clock.advance(10_000);
  assert.equal(await test.ask("a.example"), "upstream");
  assert.deepEqual(test.logged.filter((line) => !line.startsWith("debug")), [
    "warning suspect>down",
    "info down>up",
  ]);
});

Deno.test("names that are slow are no news: only debug tells of a suspicion", async () => {
  using test = start(brokenAtTimes(() => true));
  for (let i = 0; i < 20; i++) void test.ask(`${i}.example`);
  await test.clock.advance(10_000);
  assert.deepEqual(
    new Set(test.logged),
    new Set(["debug up>suspect", "debug suspect>up"]),
  );
});

Deno.test("S45 a name server that leads back here is told of as a warning, and the end of that as news", async () => {
  let loops = false;
  using test = start((query, transport) => {
    const { name, type } = query.questions[0]!;
    if (!loops) return answering("1.1.1.1")(query, transport);
    queueMicrotask(() => void test.ask(name.toLowerCase(), 0, type));
    return [];
  });
  await test.clock.advance(11_000);
  loops = true;
  void test.ask("a.example");
  await test.clock.advance(20_000);
  loops = false;
  await test.clock.advance(61_000);
  assert.deepEqual(test.logged.filter((line) => !line.startsWith("debug")), [
    "warning suspect>looping",
    "info looping>up",
  ]);
});
