import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { createChain, type Next } from "./chain.ts";
import { ClusterHandler } from "./cluster_handler.ts";
import { createExplainer, formatExplainQuestion, parseExplanation } from "./explain_question.ts";
import { createResponder } from "./server/responder.ts";
import { ClusterZone } from "./zone/cluster_zone.ts";
import { toServiceFacts } from "./zone/service_facts.ts";

const HOST = { address: "169.254.20.10", port: 4000 };

function responder(): ReturnType<typeof createResponder> {
  const clock = new FakeClock();
  const zone = new ClusterZone({}, clock);
  const service = toServiceFacts({
    metadata: { namespace: "shop", name: "web" },
    spec: { clusterIPs: ["10.96.0.7"] },
  });
  zone.replace("service", new Map([["shop/web", service]]));
  zone.synced = true;
  const chain: Next = createChain([new ClusterHandler(zone)]);
  const metrics = {
    answered: () => {},
    dropped: () => {},
    tcpOpened: () => {},
    tcpClosed: () => {},
  } as never;
  const explain = createExplainer(chain, ({ address }) => address === HOST.address);
  return createResponder({ chain, clock, metrics, explain });
}

async function ask(name: string, type: string, client = HOST): Promise<string[]> {
  const reply = await responder()(formatExplainQuestion(7, name, type), client, "tcp");
  return parseExplanation(reply!);
}

Deno.test("a running server explains why a name is answered", async () => {
  assert.deepEqual((await ask("Web.shop.svc.cluster.local.", "a")).slice(0, 2), [
    "web.shop.svc.cluster.local. A: NOERROR",
    "from: cluster",
  ]);
});

Deno.test("a running server explains why a name does not exist", async () => {
  const [what, from, why] = await ask("nothing.shop.svc.cluster.local", "AAAA");
  assert.equal(what, "nothing.shop.svc.cluster.local. AAAA: NXDOMAIN");
  assert.equal(from, "from: cluster");
  assert.match(why!, /^because: /);
});

Deno.test("a running server explains that a name is somebody else's", async () => {
  const lines = await ask("example.com", "MX");
  assert.equal(lines[0], "example.com. MX: REFUSED");
  assert.match(lines[2]!, /nobody here answers that/);
});

Deno.test("a running server explains what it says of the root", async () => {
  assert.equal((await ask(".", "NS"))[0], ". NS: REFUSED");
});

Deno.test("formatExplainQuestion() takes the longest name that can be asked about, and refuses a longer one", async () => {
  const name = (last: number) => [63, 63, 63, last].map((length) => "x".repeat(length)).join(".");
  assert.match((await ask(name(48), "A"))[0]!, /^x+\..*x\. A: REFUSED$/);
  assert.throws(
    () => formatExplainQuestion(1, name(49), "AAAA"),
    /it has 243 bytes, and with "explain\.aaaa\." before it 242 are possible/,
  );
});

Deno.test("a running server explains nothing to pods", async () => {
  const pod = { address: "10.244.1.5", port: 4000 };
  await assert.rejects(ask("example.com", "A", pod), /does not explain: it says REFUSED/);
});

Deno.test("formatExplainQuestion() refuses what is no name and what is no type", () => {
  assert.throws(() => formatExplainQuestion(1, "a..b", "A"), SyntaxError);
  assert.throws(() => formatExplainQuestion(1, "a.b", "AAAAA"), SyntaxError);
});
