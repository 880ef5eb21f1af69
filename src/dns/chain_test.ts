import assert from "node:assert/strict";
import { handledOf, request, ScriptedHandler, shown } from "../../tests/testing/dns_chain.ts";
import { a } from "../../tests/testing/fake_dns_network.ts";
import { createChain, createFailure, type Handler } from "./chain.ts";
import { createTargetResolver } from "./target_resolver.ts";
import { followChase } from "./zone/chase.ts";
import { nameRecord } from "./zone/outcome.ts";
import { TYPE } from "./wire/record_type.ts";
import { createAnswer, readAnswer } from "./wire/answer.ts";
import { formatRecord } from "./wire/format_record.ts";

Deno.test("createChain() asks the handlers in order, until one answers", async () => {
  const passing: string[] = [];
  const pass = (name: string): Handler => ({
    name,
    handle: (request, next) => {
      passing.push(name);
      return next(request);
    },
  });
  const last = new ScriptedHandler(({ query }) => handledOf(query.name, { rcode: 3 }));
  const chain = createChain([pass("one"), pass("two"), last, pass("never")]);
  assert.equal(shown(request("a"), await chain(request("a"))), "upstream NXDOMAIN");
  assert.deepEqual(passing, ["one", "two"]);
});

Deno.test("createChain() refuses what nobody answers", async () => {
  const handled = await createChain([])(request("a"));
  assert.equal(shown(request("a"), handled), "none REFUSED EDE18");
});

Deno.test("createTargetResolver() completes a chain that leads out of the zone", async () => {
  const name = "ext.web.svc.cluster.local";
  const target = "db.example";
  const chase = {
    name,
    type: TYPE.A,
    chain: [nameRecord(name, TYPE.CNAME, target, 5)],
    target,
  };
  const found = await followChase(
    chase,
    createTargetResolver(({ query }) =>
      handledOf(query.name, { answers: [a(query.name, "1.1.1.1", 30)] })
    ),
  );
  assert.deepEqual(readAnswer(name, TYPE.A, found).answers.map(formatRecord), [
    "ext.web.svc.cluster.local. 5 IN CNAME db.example.",
    "db.example. 30 IN A 1.1.1.1",
  ]);
  const lost = await followChase(chase, createTargetResolver(() => createFailure(2, "gone", 22)));
  assert.deepEqual(lost, {
    ...createAnswer(name, { rcode: 2, authoritative: false }),
    extendedError: { code: 22, text: "gone" },
  });
});
