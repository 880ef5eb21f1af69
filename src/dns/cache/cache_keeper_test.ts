import assert from "node:assert/strict";
import { handledOf, request, shown } from "../../../tests/testing/dns_chain.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { a, soa } from "../../../tests/testing/fake_dns_network.ts";
import { createFailure, type Next } from "../chain.ts";
import { AnswerCache } from "./answer_cache.ts";
import { TTL_BOUNDS } from "./answer_ttl.ts";
import { CacheHandler } from "./cache_handler.ts";
import { CacheKeeper, type KeeperEvent } from "./cache_keeper.ts";

const PATH = "/state/dns-answers";
const INTERVAL_MS = 600_000;
const online: Next = ({ query: { name } }) =>
  name.startsWith("no")
    ? handledOf(name, { rcode: 3, authorities: [soa("example", 60, 60)] })
    : handledOf(name, { answers: [a(name, "1.1.1.1")] });
const offline: Next = () => createFailure(2, "no name server can be reached", 22);

/** One life of the agent. */
function boot(fs: FakeFs, startMs?: number) {
  const clock = new FakeClock(startMs);
  const cache = new AnswerCache(
    { maxBytes: 1_000_000, maxStaleMs: 259_200_000, ttl: TTL_BOUNDS },
    clock,
  );
  const events: KeeperEvent[] = [];
  const keeper = new CacheKeeper(cache, PATH, INTERVAL_MS, {
    clock,
    fs,
    notice: (event) => void events.push(event),
  });
  const handler = new CacheHandler(cache, clock);
  const ask = async (name: string, next: Next) =>
    shown(request(name), await handler.handle(request(name), next));
  return { clock, cache, keeper, events, ask };
}

const writes = (fs: FakeFs) => fs.calls.filter((call) => call.startsWith("rename")).length;

Deno.test("S42 the last known good survives a reboot", async () => {
  const fs = new FakeFs({ "/state/x": "" });
  const before = boot(fs);
  const stop = new AbortController();
  const running = before.keeper.run(stop.signal);
  await before.ask("a.example", online);
  await before.ask("no.example", online);
  await before.clock.advance(60_000);
  // The power goes: nothing is saved at the end.
  const after = boot(fs, Date.UTC(2026, 0, 1, 6));
  await after.keeper.load();
  assert.deepEqual(after.events, [{ kind: "loaded", entries: 2 }]);
  assert.equal(
    await after.ask("a.example", offline),
    "stale NOERROR EDE3 a.example. 30 IN A 1.1.1.1",
  );
  assert.equal(await after.ask("no.example", offline), "stale NXDOMAIN EDE19");
  await after.clock.advance(31_000);
  assert.match(await after.ask("a.example", online), /^upstream/, "never taken for fresh");
  stop.abort();
  await running;
});

Deno.test("CacheKeeper writes when there is something new, once per interval, and at the end", async () => {
  const fs = new FakeFs({ "/state/x": "" });
  const { clock, keeper, ask } = boot(fs);
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  await clock.advance(3_600_000);
  assert.equal(writes(fs), 0, "nothing to write");
  for (let i = 0; i < 60; i++) {
    await ask(`${i}.example`, online);
    await clock.advance(60_000);
  }
  assert.ok(writes(fs) >= 6 && writes(fs) <= 7, `${writes(fs)} writes in an hour`);
  const before = writes(fs);
  for (let i = 0; i < 50; i++) {
    await ask("1.example", online);
    await clock.advance(301_000);
  }
  assert.ok(writes(fs) - before <= 2, "renewals alone are written every six hours");
  await ask("last.example", online);
  stop.abort();
  await running;
  assert.ok(writes(fs) - before <= 3);
  const after = boot(fs);
  await after.keeper.load();
  assert.match(await after.ask("last.example", offline), /^stale/);
});

Deno.test("CacheKeeper starts empty with a file that is damaged, and replaces it", async () => {
  const fs = new FakeFs({ [PATH]: "EDNS, but not really" });
  const { keeper, events, cache, ask } = boot(fs);
  await keeper.load();
  assert.deepEqual(events.map(({ kind }) => kind), ["unusable"]);
  assert.equal(cache.count, 0);
  await ask("a.example", online);
  await keeper.save();
  const after = boot(fs);
  await after.keeper.load();
  assert.deepEqual(after.events, [{ kind: "loaded", entries: 1 }]);
});

Deno.test("CacheKeeper goes on when the disk fails, and tries again", async () => {
  const fs = new FakeFs({ "/state/x": "" });
  const { keeper, events, ask } = boot(fs);
  await ask("a.example", online);
  fs.fault = (op) => op === "write" ? { code: "ENOSPC", tornAt: 10 } : undefined;
  await keeper.save();
  fs.fault = () => undefined;
  await keeper.save();
  assert.deepEqual(events.map(({ kind }) => kind), ["not-saved", "saved"]);
});

Deno.test("S42 a crash while saving leaves the former answers or the new ones", async () => {
  for (const op of ["create", "write", "sync", "rename", "syncDir"]) {
    const fs = new FakeFs({ "/state/x": "" });
    const { keeper, ask } = boot(fs);
    await ask("a.example", online);
    await keeper.save();
    await ask("b.example", online);
    fs.fault = (each) => each === op ? "crash" : undefined;
    await keeper.save();
    fs.restart({ entries: "lost", bytes: 7 });
    fs.fault = () => undefined;
    const after = boot(fs);
    await after.keeper.load();
    assert.match(await after.ask("a.example", offline), /^stale/, op);
  }
});
