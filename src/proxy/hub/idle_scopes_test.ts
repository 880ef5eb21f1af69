import assert from "node:assert/strict";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { POD_SCOPE, relist } from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { keptAnswer } from "../../../tests/testing/state_store_contract.ts";
import { Link } from "../link/link.ts";
import { IdleScopes } from "./idle_scopes.ts";
import type { Scope } from "./scope.ts";
import { Scopes } from "./scopes.ts";

const HOUR_MS = 3_600_000;
const TTL_MS = 4 * HOUR_MS;
const scopeOf = (fields: Partial<Scope>): Scope => ({ ...POD_SCOPE, ...fields });
const ONE = scopeOf({ resource: "secrets", fieldSelector: "metadata.name=a" });

function setUp() {
  const clock = new FakeClock();
  const stop = new AbortController();
  const cloud = { answers: true };
  const link = new Link(clock, () =>
    Promise.resolve(
      cloud.answers
        ? { result: "answered" as const, roundTripMs: 1 }
        : { result: "silent" as const, cause: "cut" },
    ), () => 0);
  const store = new MemoryStore();
  const scopes = new Scopes({
    store: store.asStateStore(),
    link,
    clock,
    limits: { maxEvents: 100, maxBytes: 1_000_000 },
    random: () => 0,
    signal: stop.signal,
    sendFor: () => (_path, { purpose, signal }) =>
      purpose === "list"
        ? Promise.resolve(
          new Response(
            `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"10"},"items":[` +
              `{"metadata":{"name":"a","uid":"u","resourceVersion":"3"}}]}`,
          ),
        )
        : new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason), { once: true })
        ),
    deleted() {},
    relisted() {},
    rejected() {},
    renewal: () => stop.signal,
    forgottenTo: () => "",
    failed() {},
    damaged() {},
  });
  const evicted: string[] = [];
  const idle = new IdleScopes({
    scopes,
    store: store.asStateStore(),
    link,
    clock,
    ttlMs: TTL_MS,
    evicted: (what, count) => evicted.push(`${count} ${what}`),
  });
  const running = [link.run(stop.signal), idle.run(stop.signal)];
  return {
    ...{ clock, cloud, link, store, scopes, idle, evicted },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([scopes.ended(), ...running]);
      assert.equal(clock.pending, 0);
    },
  };
}

Deno.test("IdleScopes ends the reflector of a scope that nobody asked for, then forgets the scope", async () => {
  await using run = setUp();
  run.scopes.reflect(POD_SCOPE);
  await run.clock.advance(TTL_MS - HOUR_MS);
  assert.equal(run.scopes.isReflected(POD_SCOPE), true);
  await run.clock.advance(2 * HOUR_MS);
  assert.equal(run.scopes.isReflected(POD_SCOPE), false);
  assert.equal(run.store.scopes().length, 1, "what is known stays");
  await run.clock.advance(TTL_MS);
  assert.deepEqual([run.store.scopes().length, run.scopes.size], [0, 0]);
});

Deno.test("IdleScopes leaves alone what somebody asks for or watches", async () => {
  await using run = setUp();
  const other = scopeOf({ namespace: "other" });
  const watched = run.scopes.reflect(POD_SCOPE);
  const unwatch = watched.subscribe(() => {});
  for (let hours = 0; hours < 24; hours++) {
    run.scopes.reflect(other);
    await run.clock.advance(HOUR_MS);
  }
  assert.equal(run.scopes.isReflected(POD_SCOPE), true);
  assert.equal(run.scopes.isReflected(other), true);
  unwatch();
});

Deno.test("IdleScopes keeps the scope of a single object for a day at least", async () => {
  await using run = setUp();
  run.scopes.reflect(ONE);
  await run.clock.advance(23 * HOUR_MS);
  assert.equal(run.scopes.isReflected(ONE), true);
  await run.clock.advance(2 * HOUR_MS);
  assert.equal(run.scopes.isReflected(ONE), false);
  assert.equal(run.store.scopes().length, 1);
});

Deno.test("IdleScopes forgets nothing while the link is down, nor at once when it is back", async () => {
  await using run = setUp();
  run.scopes.reflect(POD_SCOPE);
  await run.clock.advance(HOUR_MS);
  run.cloud.answers = false;
  run.link.suspect("cut");
  await run.clock.advance(100 * HOUR_MS);
  assert.equal(run.store.scopes().length, 1);
  run.cloud.answers = true;
  await run.clock.advance(2 * HOUR_MS);
  assert.equal(run.scopes.isReflected(POD_SCOPE), true);
  await run.clock.advance(TTL_MS);
  assert.equal(run.scopes.isReflected(POD_SCOPE), false);
});

Deno.test("makeRoom() forgets in the written order, and never what is watched", async () => {
  await using run = setUp();
  const { scopes, store, idle, clock } = run;
  const watched = scopes.reflect(POD_SCOPE);
  const unwatch = watched.subscribe(() => {});
  await clock.advance(0);
  const passed = (fields: Partial<Scope>) =>
    relist(
      scopes.hub(scopeOf(fields)),
      [utf8(`{"metadata":{"name":"a","uid":"u","resourceVersion":"3"}}`)],
      10,
    );
  await passed({ namespace: "older" });
  await clock.advance(1_000);
  await passed({ namespace: "newer" });
  scopes.reflect(scopeOf({ namespace: "mirrored" }));
  scopes.reflect(ONE);
  await clock.advance(1_000);
  for (const key of ["object\nme\nv1/pods\na", "discovery\n/api", "token\nx"]) {
    store.keep(key, keptAnswer(""));
  }
  store.keep("object\nme\ncoordination.k8s.io/v1/leases\na", keptAnswer(""));
  const left = () =>
    [
      ...store.scopes().map(({ key }) =>
        /"(older|newer|mirrored)"|secrets/.exec(key)?.[0] ?? "pods"
      ),
      ...store.keptKeys("").map((key) => key.split("\n").slice(0, 3).join(" ")),
    ].sort();
  const order: string[] = [];
  for (;;) {
    const before = left();
    if (!await idle.makeRoom(1)) break;
    const after = left();
    order.push(...before.filter((each) => !after.includes(each)));
  }
  assert.deepEqual(order, [
    "object me v1/pods",
    "discovery /api",
    '"older"',
    '"newer"',
    '"mirrored"',
    "object me coordination.k8s.io/v1/leases",
    "secrets",
  ]);
  assert.deepEqual(left(), ["pods", "token x"]);
  assert.equal(watched.freshness, "current");
  unwatch();
});

Deno.test("forget() leaves a list that is still coming in without effect, and the scope can begin anew", async () => {
  await using run = setUp();
  const hub = run.scopes.hub(POD_SCOPE);
  const replacement = hub.replace();
  await replacement.add([utf8(`{"metadata":{"name":"late","uid":"u","resourceVersion":"3"}}`)]);
  await run.scopes.forget(hub);
  replacement.commit({
    kind: "PodList",
    apiVersion: "v1",
    resourceVersion: "10",
    continue: "",
    extra: {},
  });
  assert.equal(run.store.scopes().length, 0);
  const next = run.scopes.reflect(POD_SCOPE);
  await run.clock.advance(0);
  assert.notEqual(next.content.id, hub.content.id);
  assert.deepEqual([...next.content.versions().keys()], ["a"]);
});
