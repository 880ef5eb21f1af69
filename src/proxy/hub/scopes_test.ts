import type { RefusedError } from "../../kube/answer.ts";
import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { POD_SCOPE, relist } from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import type { Send } from "../../kube/reflector.ts";
import { formatFrame } from "../../kube/watch_event.ts";
import type { Hub } from "./hub.ts";
import { Link } from "../link/link.ts";
import type { ProbeResult } from "../link/link_state.ts";
import type { Scope } from "./scope.ts";
import { Scopes } from "./scopes.ts";
import { UnreachableError } from "../upstream/upstream.ts";

const never = new AbortController().signal;

const pod = (name: string, version: number) =>
  `{"metadata":{"name":"${name}","uid":"u-${name}","resourceVersion":"${version}"}}`;
const list = (version: number, ...items: string[]) =>
  new Response(
    `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"${version}"},"items":[${items}]}`,
  );

type Answer = () => Response | Promise<Response>;

/** Scopes whose lists are scripted and whose watches stay open until the test feeds them. */
function setUp(options: { store?: MemoryStore; lists?: Answer[]; link?: "up" | "down" } = {}) {
  const { store = new MemoryStore(), lists = [], link: linked = "up" } = options;
  const clock = new FakeClock();
  const stop = new AbortController();
  const cloud = { answers: linked === "up" };
  const link = new Link(clock, () =>
    Promise.resolve<ProbeResult>(
      cloud.answers
        ? { result: "answered", roundTripMs: 1 }
        : { result: "silent", cause: "black hole" },
    ), () => 0);
  const running = link.run(stop.signal);
  const requests: string[] = [];
  const watches: ReadableStreamDefaultController<Uint8Array>[] = [];
  const deleted: string[] = [];
  const damaged: string[] = [];
  const renewal = new AbortController();
  const send: Send = async (pathAndQuery, { purpose, signal }) => {
    if (!link.isOpen) throw new UnreachableError("down", { sent: false });
    requests.push(`${purpose} ${pathAndQuery.split("?")[0]}`);
    if (purpose === "list") {
      const answer = lists.shift();
      if (answer !== undefined) return await answer();
      return await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      );
    }
    return new Response(new ReadableStream({ start: (c) => void watches.push(c) }));
  };
  const scopes = new Scopes({
    store: store.asStateStore(),
    link,
    clock,
    limits: { maxEvents: 100, maxBytes: 1_000_000 },
    random: () => 0,
    signal: stop.signal,
    renewal: () => renewal.signal,
    sendFor: () => send,
    deleted: (_, key, version) => deleted.push(`${key}@${version}`),
    relisted() {},
    rejected() {},
    forgottenTo: () => "",
    failed() {},
    damaged: (_, key) => damaged.push(key),
  });
  return {
    clock,
    cloud,
    link,
    scopes,
    store,
    requests,
    watches,
    deleted,
    damaged,
    renewal,
    lists,
    settle: (ms = 0) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([scopes.ended(), running]);
      assert.equal(clock.pending, 0);
    },
  };
}

const names = (hub: Hub) => [...hub.content.versions().keys()].sort();
const scopeWith = (fields: Partial<Scope>): Scope => ({ ...POD_SCOPE, ...fields });

/** A store that was filled by an earlier process. */
async function filled(...scopes: Scope[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await using run = setUp({
    store,
    lists: scopes.map(() => () => list(10, pod("a", 3), pod("b", 4))),
  });
  for (const scope of scopes) run.scopes.reflect(scope);
  await run.settle();
  store.commit();
  return store;
}

Deno.test("reflect() mirrors a scope once, however often it is asked", async () => {
  await using run = setUp({ lists: [() => list(10, pod("a", 3))] });
  const hub = run.scopes.reflect(POD_SCOPE);
  assert.equal(run.scopes.reflect(POD_SCOPE), hub);
  assert.equal(run.scopes.isReflected(POD_SCOPE), true);
  await run.settle();
  assert.deepEqual(run.requests, ["list /api/v1/pods", "watch /api/v1/pods"]);
  assert.deepEqual([hub.freshness, names(hub)], ["current", ["a"]]);
});

Deno.test("reflect() tries again at once when the credential is renewed", async () => {
  const refused = () =>
    Promise.reject(new UnreachableError("401", { sent: false, answered: true }));
  const lists = Array.from({ length: 100 }, () => refused);
  await using run = setUp({ lists });
  const hub = run.scopes.reflect(POD_SCOPE);
  const ready = () => run.scopes.ready(hub, "current", never);
  assert.deepEqual(await ready(), { state: "refused" }, "nobody waits for a credential");
  await run.settle(120_000);
  const before = run.requests.length;
  await run.settle(1);
  assert.equal(run.requests.length, before, "it waits");
  run.renewal.abort();
  run.lists.splice(0, Infinity, () => list(10));
  await run.settle();
  assert.deepEqual(run.requests.slice(before), ["list /api/v1/pods", "watch /api/v1/pods"]);
  assert.deepEqual(await ready(), { state: "ready" });
});

Deno.test("ready() waits for the first list", async () => {
  const gate = Promise.withResolvers<Response>();
  await using run = setUp({ lists: [() => gate.promise] });
  const ready = run.scopes.ready(run.scopes.reflect(POD_SCOPE), "current", never);
  await run.settle(60_000);
  gate.resolve(list(10));
  assert.deepEqual(await ready, { state: "ready" });
});

Deno.test("ready() is unknown when there never was a list and the link goes down", async () => {
  await using run = setUp();
  const ready = run.scopes.ready(run.scopes.reflect(POD_SCOPE), "current", never);
  await run.settle();
  run.cloud.answers = false;
  run.link.suspect("reset");
  await run.settle(3_000);
  assert.deepEqual(await ready, { state: "unknown" });
});

Deno.test("ready() tells the cloud's no", async () => {
  await using run = setUp({ lists: [() => new Response("{}", { status: 403 })] });
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle();
  assert.deepEqual(await run.scopes.ready(hub, "current", never), { state: "refused" });
  assert.equal((hub.refusal as RefusedError).answer.status, 403);
});

Deno.test("ready() ends when the client goes", async () => {
  await using run = setUp();
  const gone = new AbortController();
  const ready = run.scopes.ready(run.scopes.reflect(POD_SCOPE), "current", gone.signal);
  await run.settle();
  gone.abort();
  assert.deepEqual(await ready, { state: "unknown" });
});

Deno.test("Scopes serve nothing of the last process while the link is up, before it was compared", async () => {
  const gate = Promise.withResolvers<Response>();
  await using run = setUp({ store: await filled(POD_SCOPE), lists: [() => gate.promise] });
  const hub = run.scopes.reflect(POD_SCOPE);
  let served = false;
  const ready = run.scopes.ready(hub, "current", never).then(() => served = true);
  await run.settle(30_000);
  assert.deepEqual([served, hub.freshness], [false, "stale"]);
  assert.deepEqual(await run.scopes.ready(hub, "known", never), { state: "ready" });
  gate.resolve(list(20, pod("b", 4)));
  await ready;
  assert.deepEqual(names(hub), ["b"]);
});

Deno.test("Scopes serve what the last process knew once the link is declared down", async () => {
  await using run = setUp({ store: await filled(POD_SCOPE), link: "down" });
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle(3_000);
  assert.deepEqual(await run.scopes.ready(hub, "current", never), { state: "ready" });
  assert.deepEqual([hub.freshness, names(hub)], ["declared", ["a", "b"]]);
});

Deno.test("reflect() declares at once what a list that passed by left when the link is down", async () => {
  await using run = setUp({ link: "down" });
  const hub = run.scopes.hub(POD_SCOPE);
  await relist(hub, [utf8(pod("a", 3))], 10);
  await run.settle(3_000);
  assert.equal(run.scopes.reflect(POD_SCOPE), hub);
  assert.equal(hub.freshness, "declared");
});

Deno.test("Scopes never give a scope the number of another one of the last process", async () => {
  const store = await filled(POD_SCOPE, scopeWith({ namespace: "ns" }));
  await using run = setUp({ store, lists: [() => list(30, pod("z", 30))] });
  const hub = run.scopes.reflect(scopeWith({ namespace: "other" }));
  await run.settle();
  assert.deepEqual(names(hub), ["z"]);
  assert.deepEqual(names(run.scopes.hub(POD_SCOPE)), ["a", "b"]);
});

Deno.test("reflect() begins again when a token was rejected and its owner comes back", async () => {
  await using run = setUp({
    lists: [() => new Response("{}", { status: 401 }), () => list(10, pod("a", 3))],
  });
  run.scopes.reflect(POD_SCOPE);
  await run.settle(60_000);
  assert.equal(run.scopes.isReflected(POD_SCOPE), false);
  assert.equal(run.requests.length, 1, "a token that is no good is not shown again and again");
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle();
  assert.equal(hub.freshness, "current");
});

Deno.test("reflect() lists anew everything of a caller whose token was rejected meanwhile", async () => {
  await using run = setUp({
    lists: [
      () => list(10, pod("a", 3)),
      () => new Response("{}", { status: 401 }),
      () => list(20, pod("a", 3)),
    ],
  });
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle();
  run.scopes.reflect(scopeWith({ namespace: "ns" }));
  await run.settle();
  assert.equal(hub.freshness, "empty");
  assert.equal(run.scopes.isReflected(POD_SCOPE), false, "its watch can tell an empty hub nothing");
  run.scopes.reflect(POD_SCOPE);
  await run.settle();
  assert.deepEqual([hub.freshness, hub.resourceVersion, names(hub)], ["current", "20", ["a"]]);
});

Deno.test("reflect() mirrors a scope whose reflector was just told to end", async () => {
  await using run = setUp({ lists: [() => list(10, pod("a", 3))] });
  run.scopes.reflect(POD_SCOPE);
  await run.settle();
  run.scopes.stopReflecting(POD_SCOPE);
  run.scopes.reflect(POD_SCOPE);
  await run.settle();
  assert.equal(run.scopes.isReflected(POD_SCOPE), true);
  assert.deepEqual(run.requests.slice(2).at(0)?.split(" ").at(1), "/api/v1/pods");
});

Deno.test("forget() is not undone by a relist that was on its way", async () => {
  await using run = setUp({ lists: [() => list(10, pod("a", 3)), () => list(20, pod("a", 3))] });
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle();
  run.scopes.relist(POD_SCOPE);
  await run.scopes.forget(hub);
  await run.settle();
  assert.deepEqual([run.scopes.size, run.requests.length], [0, 2]);
});

Deno.test("reaches() waits 3 s for a version from the future", async () => {
  await using run = setUp({ lists: [() => list(10)] });
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle();
  assert.equal(await run.scopes.reaches(hub, "10", never), true);
  const soon = run.scopes.reaches(hub, "11", never);
  const late = run.scopes.reaches(hub, "99", never);
  await run.settle(1_000);
  hub.bookmark("11");
  assert.equal(await soon, true);
  await run.settle(2_000);
  assert.equal(await late, false);
});

Deno.test("reaches() does not wait when the link is down", async () => {
  await using run = setUp({ store: await filled(POD_SCOPE), link: "down" });
  await run.settle(3_000);
  assert.equal(await run.scopes.reaches(run.scopes.hub(POD_SCOPE), "99", never), false);
});

Deno.test("siblings() are the caller's own hubs of the resource that hold something", async () => {
  const scopes = [
    POD_SCOPE,
    scopeWith({ namespace: "ns" }),
    scopeWith({ caller: "identity:other" }),
    scopeWith({ resource: "nodes" }),
    scopeWith({ group: "metrics.k8s.io" }),
  ];
  await using run = setUp({ lists: scopes.map(() => () => list(10)) });
  for (const scope of scopes) run.scopes.reflect(scope);
  run.scopes.hub(scopeWith({ namespace: "empty" }));
  await run.settle();
  const found = run.scopes.siblings("identity:kubelet", POD_SCOPE).map(({ scope }) => scope);
  assert.deepEqual(found, scopes.slice(0, 2));
});

Deno.test.each([
  { name: "without a selector", fields: {}, proves: true },
  { name: "of one name", fields: { fieldSelector: "metadata.name=a" }, proves: true },
  { name: "of one node", fields: { fieldSelector: "spec.nodeName=n1" }, proves: true },
  { name: "of labels", fields: { labelSelector: "app=web" }, proves: false },
  {
    name: "of a field that changes",
    fields: { fieldSelector: "status.phase=Running" },
    proves: false,
  },
  {
    name: "of the pods that have no node yet",
    fields: { fieldSelector: "spec.nodeName=" },
    proves: false,
  },
  { name: "of all but one node", fields: { fieldSelector: "spec.nodeName!=n1" }, proves: false },
])(
  "a DELETED in a scope $name proves $proves that the object is gone",
  async ({ fields, proves }) => {
    const passing = scopeWith({ namespace: "ns" });
    const store = await filled(passing);
    await using run = setUp({ store, lists: [() => list(20, pod("a", 3))] });
    run.scopes.reflect(scopeWith(fields));
    await run.settle();
    const gone = utf8(`{"kind":"Pod","apiVersion":"v1",${pod("a", 21).slice(1)}`);
    run.watches[0]!.enqueue(formatFrame("DELETED", gone));
    await run.settle();
    assert.deepEqual(run.deleted, proves ? ["a@21"] : []);
    assert.deepEqual(names(run.scopes.hub(passing)), proves ? ["b"] : ["a", "b"]);
  },
);

Deno.test("Scopes list anew at once when an object turns out to be damaged under a quiet watch", async () => {
  const lists = [() => list(10, pod("a", 3)), () => list(10, pod("a", 3))];
  await using run = setUp({ lists });
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle();
  hub.damaged("a");
  assert.deepEqual(run.damaged, ["a"]);
  assert.deepEqual([hub.freshness, names(hub)], ["empty", []]);
  await run.settle();
  assert.deepEqual([hub.freshness, names(hub)], ["current", ["a"]]);
  assert.match(text(hub.content.get("a")!.body), /"a"/);
});

Deno.test("Scopes ask again as soon as the link is back", async () => {
  await using run = setUp({ lists: [() => list(10, pod("a", 3))], link: "down" });
  await run.settle(3_000);
  const hub = run.scopes.reflect(POD_SCOPE);
  await run.settle(120_000);
  assert.deepEqual(run.requests, []);
  run.cloud.answers = true;
  await run.settle(2_500);
  assert.equal(hub.freshness, "current");
});
