import assert from "node:assert/strict";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { KeptAnswers } from "../store/kept.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { type AskCloud, CloudIdentity } from "./cloud_identity.ts";
import { Link } from "./link.ts";
import type { ProbeResult } from "./link_state.ts";

const never = new AbortController().signal;

/** A cloud of one namespace and one service. */
function setUp(
  options: { store?: MemoryStore; versions?: string[]; mayReadNamespace?: boolean } = {},
) {
  const { store = new MemoryStore(), versions = [], mayReadNamespace = true } = options;
  const clock = new FakeClock();
  const stop = new AbortController();
  const cloud = {
    answers: true,
    namespace: "ns-1" as string | undefined,
    service: "svc-1" as string | undefined,
    version: "100",
    ailing: false,
  };
  const link = new Link(clock, () =>
    Promise.resolve<ProbeResult>(
      cloud.answers ? { result: "answered", roundTripMs: 1 } : { result: "silent", cause: "cut" },
    ), () => 0);
  const asked: string[] = [];
  const ask: AskCloud = async (path, signal) => {
    const answer = await answerNow(path, signal);
    await onTheWay.promise;
    return answer;
  };
  /** Answers that were given but did not arrive yet. */
  let onTheWay = Promise.withResolvers<void>();
  onTheWay.resolve();
  const answerNow: AskCloud = (path) => {
    if (!cloud.answers) return Promise.reject(new UnreachableError("cut", { sent: false }));
    if (cloud.ailing) return Promise.reject(new Error("500"));
    const namespace = path.startsWith("/api/v1/namespaces?");
    asked.push(namespace ? "namespace" : "service");
    if (namespace && !mayReadNamespace) return Promise.resolve(undefined);
    const uid = namespace ? cloud.namespace : cloud.service;
    const items = uid === undefined ? [] : [{ metadata: { uid } }];
    return Promise.resolve(
      utf8(JSON.stringify({ metadata: { resourceVersion: cloud.version }, items })),
    );
  };
  const changes: string[] = [];
  const failures: string[] = [];
  const identity = new CloudIdentity({
    link,
    clock,
    random: () => 0,
    kept: new KeptAnswers(store.asStateStore(), clock),
    ask: [ask],
    versions: () => [...versions],
    changed: (verdict, _found, forgottenTo) => changes.push(`${verdict} ${forgottenTo}`),
    failed: (message) => failures.push(message),
  });
  const running = [link.run(stop.signal), identity.run(stop.signal)];
  const isOpen = async () => {
    let open = false;
    const gone = new AbortController();
    const waiting = identity.verified(gone.signal).then(() => open = !gone.signal.aborted);
    await clock.advance(0);
    gone.abort();
    await waiting;
    return open;
  };
  return {
    ...{ clock, cloud, link, store, identity, asked, changes, failures, versions, isOpen },
    /** Answers are on their way until the returned function is called. */
    delay(): () => Promise<void> {
      onTheWay = Promise.withResolvers<void>();
      const { resolve } = onTheWay;
      return async () => {
        resolve();
        await clock.advance(0);
      };
    },
    async goDown() {
      cloud.answers = false;
      link.suspect("cut");
      await clock.advance(5_000);
    },
    async comeBack() {
      cloud.answers = true;
      await clock.advance(5_000);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(running);
      assert.equal(clock.pending, 0);
    },
  };
}

Deno.test("CloudIdentity asks once at a connect, and holds what mirrors until then", async () => {
  await using run = setUp();
  assert.equal(await run.isOpen(), true);
  assert.deepEqual([run.asked, run.changes], [["namespace"], []]);
  await run.clock.advance(600_000);
  assert.equal(run.asked.length, 1, "an idle link costs nothing");
  await run.goDown();
  await run.identity.verified(never); // what can't be sent need not wait
  await run.comeBack();
  assert.deepEqual([run.asked, run.changes], [["namespace", "namespace"], []]);
});

Deno.test("CloudIdentity tells another cluster, across restarts", async () => {
  const store = new MemoryStore();
  {
    await using run = setUp({ store });
    assert.equal(await run.isOpen(), true);
  }
  await using run = setUp({ store, versions: ["90", "150"] });
  run.cloud.namespace = "ns-2";
  assert.equal(await run.isOpen(), true);
  assert.deepEqual(run.changes, ["replaced 150"]);
  assert.equal(run.identity.forgottenTo, "150");
});

Deno.test("CloudIdentity tells an older state of the cluster, once", async () => {
  await using run = setUp({ versions: ["120"] });
  run.cloud.version = "130";
  await run.clock.advance(0);
  await run.goDown();
  run.cloud.version = "60";
  await run.comeBack();
  assert.deepEqual(run.changes, ["restored 130"]);
  // What was not listed anew yet still has its old version.
  run.identity.doubt();
  await run.clock.advance(0);
  assert.equal(run.changes.length, 1);
  run.cloud.version = "50";
  run.identity.doubt();
  await run.clock.advance(0);
  assert.equal(run.changes.length, 2);
});

Deno.test("CloudIdentity asks for the Service where the Namespace may not be read", async () => {
  await using run = setUp({ mayReadNamespace: false });
  await run.clock.advance(0);
  assert.deepEqual(run.asked, ["namespace", "service"]);
  run.cloud.service = undefined;
  run.identity.doubt();
  assert.equal(await run.isOpen(), false, "a cluster that is just being made has none yet");
  run.cloud.service = "svc-2";
  await run.clock.advance(1_000);
  assert.deepEqual(run.changes, ["replaced 100"]);
});

Deno.test("CloudIdentity checks again when connections broke, while nothing is mirrored", async () => {
  await using run = setUp();
  await run.clock.advance(0);
  run.cloud.ailing = true;
  run.identity.doubt();
  assert.equal(await run.isOpen(), false);
  run.cloud.ailing = false;
  run.cloud.namespace = "ns-2";
  await run.clock.advance(2_000);
  assert.equal(await run.isOpen(), true);
  assert.deepEqual([run.changes, run.failures.length], [["replaced 100"], 1]);
});

Deno.test("CloudIdentity lets the node go on when the server can not answer, and keeps asking", async () => {
  await using run = setUp();
  await run.clock.advance(0);
  run.cloud.ailing = true;
  run.identity.doubt();
  await run.clock.advance(6_000);
  assert.equal(await run.isOpen(), true);
  run.cloud.ailing = false;
  run.cloud.namespace = "ns-2";
  await run.clock.advance(60_000);
  assert.deepEqual(run.changes, ["replaced 100"]);
});

Deno.test("CloudIdentity does not take what a living watch brings meanwhile for a lost history", async () => {
  const versions = ["100"];
  await using run = setUp({ versions });
  await run.clock.advance(0);
  const arrive = run.delay();
  run.identity.doubt();
  await run.clock.advance(0);
  versions.push("105");
  await arrive();
  assert.deepEqual([await run.isOpen(), run.changes], [true, []]);
});

Deno.test("CloudIdentity asks again when there is doubt about who was asked", async () => {
  await using run = setUp();
  await run.clock.advance(0);
  const arrive = run.delay();
  run.identity.doubt();
  await run.clock.advance(0);
  // Another server is used now, and the answer is still the former one's.
  run.cloud.namespace = "ns-2";
  const arriveToo = run.delay();
  run.identity.doubt();
  await arrive();
  assert.deepEqual([await run.isOpen(), run.changes], [false, []]);
  await arriveToo();
  assert.deepEqual([await run.isOpen(), run.changes], [true, ["replaced 100"]]);
});

Deno.test("CloudIdentity does not count tries that nobody answered as those of an ailing server", async () => {
  await using run = setUp();
  await run.clock.advance(0);
  run.cloud.answers = false;
  run.identity.doubt();
  // The link itself is not suspected: only these requests find nobody.
  for (let i = 0; i < 3; i++) {
    run.link.alive();
    await run.clock.advance(4_000);
  }
  run.cloud.answers = true;
  run.cloud.ailing = true;
  for (let i = 0; i < 20 && run.failures.length === 0; i++) await run.clock.advance(1_000);
  assert.equal(run.failures.length, 1);
  assert.equal(await run.isOpen(), false);
});

Deno.test("verified() leaves nothing behind on the signal of who waits for it again and again", async () => {
  await using run = setUp();
  await run.clock.advance(0);
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners.add(args[1]);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners.delete(args[1]);
    removeEventListener.apply(signal, args);
  };
  for (let i = 0; i < 3; i++) {
    run.identity.doubt();
    const waiting = run.identity.verified(signal);
    await run.clock.advance(1_000);
    await waiting;
  }
  assert.equal(listeners.size, 0);
});
