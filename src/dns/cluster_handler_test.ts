import assert from "node:assert/strict";
import { request, shown } from "../../tests/testing/dns_chain.ts";
import {
  answering,
  type FakeServer,
  replyTo,
  silent,
} from "../../tests/testing/fake_dns_network.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { question, startForwarder } from "../../tests/testing/test_forwarder.ts";
import { AnswerCache } from "./cache/answer_cache.ts";
import { TTL_BOUNDS } from "./cache/answer_ttl.ts";
import { CacheHandler } from "./cache/cache_handler.ts";
import { CacheKeeper } from "./cache/cache_keeper.ts";
import { createChain, type DnsRequest } from "./chain.ts";
import { ClusterHandler } from "./cluster_handler.ts";
import { ForwardHandler } from "./forward/forward_handler.ts";
import { SearchHandler } from "./search/search_handler.ts";
import { ClusterZone } from "./zone/cluster_zone.ts";
import { toNamespaceFacts } from "./zone/namespace_facts.ts";
import { toServiceFacts } from "./zone/service_facts.ts";

const ZONE = "cluster.local";
const POD = "10.42.0.9";

const service = (name: string, spec: unknown) => ({ metadata: { name, namespace: "web" }, spec });
const SERVICES = [
  service("api", { clusterIP: "10.43.0.7", clusterIPs: ["10.43.0.7"], ports: [] }),
  service("db", { type: "ExternalName", externalName: "db.example" }),
  service("lost", { type: "ExternalName", externalName: "lost.example" }),
];

/** Everything from the client's question to the upstream, as `wire.ts` puts it together. */
async function boot(fs: FakeFs, server: FakeServer) {
  const test = startForwarder({ "10.0.0.1": server });
  const { clock, forwarder } = test;
  const zone = new ClusterZone({ zone: ZONE }, clock);
  zone.replace("namespace", new Map([["web", toNamespaceFacts({ metadata: { name: "web" } })!]]));
  zone.replace(
    "service",
    new Map(SERVICES.map((each) => [`web/${each.metadata.name}`, toServiceFacts(each)!])),
  );
  zone.synced = true;
  const cache = new AnswerCache(
    { maxBytes: 1_000_000, maxStaleMs: 259_200_000, ttl: TTL_BOUNDS },
    clock,
  );
  const keeper = new CacheKeeper(cache, "/state/dns-answers", 600_000, {
    clock,
    fs,
    notice: () => {},
  });
  await keeper.load();
  const chain = createChain([
    new SearchHandler({
      zone: ZONE,
      hostDomains: () => [],
      podOf: (address) => address === POD ? { namespace: "web" } : undefined,
    }),
    new ClusterHandler(zone),
    new CacheHandler(cache, clock),
    new ForwardHandler(forwarder),
  ]);
  const ask = async (name: string, advanceMs = 0, fields: Partial<DnsRequest["query"]> = {}) => {
    const asked = request(name, fields);
    const handled = Promise.resolve(chain(asked));
    await clock.advance(advanceMs);
    const { why } = await handled;
    return { said: shown(asked, await handled), why };
  };
  return { ...test, keeper, ask, [Symbol.dispose]: () => test[Symbol.dispose]() };
}

const world: FakeServer = (query, transport) =>
  query.questions[0]!.name.toLowerCase() === "lost.example"
    ? [{ bytes: replyTo(query, { rcode: 3 }) }]
    : answering("192.0.2.7")(query, transport);

Deno.test("the chain answers names of the cluster, ExternalNames and names of the world", async () => {
  using test = await boot(new FakeFs({ "/state/x": "" }), world);
  const said = async (name: string) => (await test.ask(name)).said;
  assert.equal(
    await said("api.web.svc.cluster.local"),
    "cluster NOERROR api.web.svc.cluster.local. 5 IN A 10.43.0.7",
  );
  assert.equal(
    await said("db.web.svc.cluster.local"),
    "cluster NOERROR db.web.svc.cluster.local. 5 IN CNAME db.example. db.example. 300 IN A 192.0.2.7",
  );
  assert.equal(await said("www.example"), "upstream NOERROR www.example. 300 IN A 192.0.2.7");
  assert.equal(
    await said("www.example.web.svc.cluster.local"),
    "search NOERROR www.example.web.svc.cluster.local. 5 IN CNAME www.example. www.example. 300 IN A 192.0.2.7",
  );
  // It exists, although what it leads to does not.
  assert.match(await said("lost.web.svc.cluster.local"), /^cluster NXDOMAIN lost.* IN CNAME/);
  assert.equal(await said("none.web.svc.cluster.local.web.svc.cluster.local"), "cluster NXDOMAIN");
  const asked = test.network.queriesTo("10.0.0.1:53").map((each) => each.split(" ")[2]);
  assert.ok(!asked.some((name) => name!.endsWith(ZONE)), "no name of the cluster leaves the node");
});

Deno.test("the chain asks nobody for a question without RD: of an ExternalName it gives the CNAME alone", async () => {
  using test = await boot(new FakeFs({ "/state/x": "" }), world);
  const { said, why } = await test.ask("db.web.svc.cluster.local", 0, { recursionDesired: false });
  assert.equal(said, "cluster NOERROR db.web.svc.cluster.local. 5 IN CNAME db.example.");
  assert.match(why, /; recursion is not desired$/);
  assert.deepEqual(
    test.network.queriesTo("10.0.0.1:53").filter((each) => /example/i.test(each)),
    [],
  );
});

Deno.test("the chain says why an answer is what it is", async () => {
  using test = await boot(new FakeFs({ "/state/x": "" }), world);
  const { why } = await test.ask("db.web.svc.cluster.local");
  assert.match(why, /db\.example: NOERROR from 10\.0\.0\.1:53 over udp in \d+ ms$/);
  await test.clock.advance(12_000);
  const again = await test.ask("db.web.svc.cluster.local");
  assert.match(again.why, /db\.example: NOERROR kept 12 s ago, for 288 s more$/);
  const search = await test.ask("www.example.web.svc.cluster.local");
  assert.match(
    search.why,
    /^search path: there is no www\.example\.web\.svc.*; www\.example: NOERROR from/,
  );
});

Deno.test("S42 ExternalName and names of the world answer from the last known good after a reboot without upstreams", async () => {
  const fs = new FakeFs({ "/state/x": "" });
  {
    using before = await boot(fs, world);
    await before.ask("db.web.svc.cluster.local");
    await before.ask("www.example");
    await before.keeper.save();
  }
  using after = await boot(fs, world);
  after.network.noRoute = new Error("Network is unreachable (os error 101)");
  const said = async (name: string) => (await after.ask(name)).said;
  assert.equal(
    await said("db.web.svc.cluster.local"),
    "cluster NOERROR EDE3 db.web.svc.cluster.local. 5 IN CNAME db.example. db.example. 30 IN A 192.0.2.7",
  );
  assert.equal(await said("www.example"), "stale NOERROR EDE3 www.example. 30 IN A 192.0.2.7");
  assert.equal(
    await said("www.example.web.svc.cluster.local"),
    "search NOERROR EDE3 www.example.web.svc.cluster.local. 5 IN CNAME www.example. www.example. 30 IN A 192.0.2.7",
  );
  assert.equal(await said("never-seen.example"), "none SERVFAIL EDE22");
  assert.equal(await said("lost.web.svc.cluster.local"), "cluster SERVFAIL EDE22");
  assert.equal(
    await said("api.web.svc.cluster.local"),
    "cluster NOERROR api.web.svc.cluster.local. 5 IN A 10.43.0.7",
  );
});

Deno.test("S42 upstreams that fall silent: the first client waits 1.8 s for the last known good, a miss 50 ms once they are known to be down", async () => {
  let alive = true;
  const server: FakeServer = (query, transport) => alive ? world(query, transport) : [];
  using test = await boot(new FakeFs({ "/state/x": "" }), server);
  await test.ask("www.example");
  await test.clock.advance(301_000);
  alive = false;
  assert.match((await test.ask("www.example", 1_800)).said, /^stale NOERROR EDE3/);
  await test.clock.advance(5_000);
  assert.deepEqual(test.forwarder.status().map(({ state }) => state), ["down"]);
  assert.equal((await test.ask("miss.example", 50)).said, "none SERVFAIL EDE22");
  assert.match((await test.ask("www.example", 50)).said, /^stale/);
});

Deno.test("what an ExternalName leads to counts as asked for by the client", async () => {
  using test = await boot(new FakeFs({ "/state/x": "" }), silent);
  for (let i = 0; i < 300; i++) void test.forwarder.resolve(question(`${i}.slow`), POD);
  await test.clock.advance(0);
  assert.equal((await test.ask("db.web.svc.cluster.local")).said, "cluster SERVFAIL EDE0");
});
