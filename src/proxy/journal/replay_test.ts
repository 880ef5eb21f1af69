import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { KeptAnswers } from "../store/kept.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { Journal } from "./journal.ts";
import type { JournalEntry } from "./journal_entry.ts";
import { KnownEvents } from "./known_events.ts";
import { Replay, UnknownSenderError } from "./replay.ts";

const PATH = "/api/v1/namespaces/default/events";

function entryOf(verb: "create" | "patch", name: string, caller = "identity:a"): JournalEntry {
  return {
    verb,
    caller,
    object: `default/${name}`,
    path: verb === "create" ? PATH : `${PATH}/${name}`,
    query: "",
    contentType: "application/json",
    userAgent: "",
    body: utf8(JSON.stringify({ metadata: { name } })),
  };
}

/** What the cloud does with one request: a status, or something that is thrown. */
type Reaction = number | { status: number; retryAfter: string } | Error;

/** A journal that is being replayed to a scripted cloud; without a script it answers 201. */
function setUp() {
  const clock = new FakeClock();
  const kept = new KeptAnswers(new MemoryStore().asStateStore(), clock);
  const dropped: string[] = [];
  const journal = Journal.open(kept, clock, { maxEvents: 100, maxBytes: 100_000 }, {
    changed: () => {},
    dropped: (reason) => dropped.push(reason),
  });
  const known = new KnownEvents();
  const sent: string[] = [];
  const script = new Map<string, Reaction[]>();
  const emptied: number[] = [];
  const failed: string[] = [];
  const stop = new AbortController();
  let running = Promise.resolve();
  const replay = new Replay({
    journal,
    known,
    link: {
      isOpen: true,
      decided: () => Promise.resolve(),
      pause: (ms, signal) => clock.sleep(ms, signal),
    },
    clock,
    random: () => 0,
    send: ({ verb, object, body }) => {
      const name = object.replace("default/", "");
      sent.push(`${verb} ${name}`);
      const reaction = script.get(name)?.shift() ?? 201;
      if (reaction instanceof Error) return Promise.reject(reaction);
      assert.ok(text(body).startsWith("{"));
      const { status, retryAfter } = typeof reaction === "number"
        ? { status: reaction, retryAfter: undefined }
        : reaction;
      const headers = new Headers(retryAfter === undefined ? {} : { "retry-after": retryAfter });
      return Promise.resolve(new Response("{}", { status, headers }));
    },
    delivered: () => {},
    failed: (error) => failed.push(String(error)),
    emptied: (count) => emptied.push(count),
  });
  return {
    ...{ clock, journal, known, sent, script, dropped, emptied, failed },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      assert.equal(clock.pending, 0);
    },
    start: () => void (running = replay.run(stop.signal)),
  };
}
const unreachable = (answered: boolean) =>
  new UnreachableError(new Error("gone"), { sent: true, answered });

Deno.test("run() sends everything in its order, and what comes later at once", async () => {
  await using world = setUp();
  const { journal, sent, emptied, clock } = world;
  for (const name of ["a", "b"]) journal.append(entryOf("create", name));
  journal.append(entryOf("patch", "a"));
  world.start();
  await clock.advance(0);
  assert.deepEqual(sent, ["create a", "create b", "patch a"]);
  assert.deepEqual(emptied, [3]);
  journal.append(entryOf("create", "c"));
  await clock.advance(0);
  assert.deepEqual(sent.slice(3), ["create c"]);
  assert.equal(journal.size, 0);
});

Deno.test("run() waits for a busy cloud, as long as it asks for, and goes on where it was", async () => {
  await using world = setUp();
  const { journal, sent, script, clock } = world;
  script.set("a", [{ status: 429, retryAfter: "30" }, 500]);
  for (const name of ["a", "b"]) journal.append(entryOf("create", name));
  world.start();
  await clock.advance(29_999);
  assert.deepEqual(sent, ["create a"]);
  await clock.advance(1);
  assert.deepEqual(sent, ["create a", "create a"]);
  await clock.advance(60_000);
  assert.deepEqual(sent, ["create a", "create a", "create a", "create b"]);
  assert.equal(journal.size, 0);
});

Deno.test("run() merges patches into one that waits for the cloud", async () => {
  await using world = setUp();
  const { journal, script, clock } = world;
  script.set("a", [503]);
  journal.append(entryOf("patch", "a"));
  world.start();
  await clock.advance(0);
  journal.append(entryOf("patch", "a"));
  assert.equal(journal.size, 1);
});

Deno.test("run() gives up what breaks the cloud again and again", async () => {
  await using world = setUp();
  const { journal, sent, script, dropped, clock } = world;
  script.set("a", Array(100).fill(500));
  for (const name of ["a", "b"]) journal.append(entryOf("create", name));
  world.start();
  await clock.advance(3_600_000);
  assert.deepEqual(sent, [...Array(20).fill("create a"), "create b"]);
  assert.deepEqual(dropped, ["refused"]);
});

Deno.test("run() waits when the link is lost in the middle, and sends it again", async () => {
  await using world = setUp();
  const { journal, sent, script, clock } = world;
  script.set("b", [unreachable(false)]);
  for (const name of ["a", "b", "c"]) journal.append(entryOf("create", name, `identity:${name}`));
  world.start();
  await clock.advance(0);
  assert.deepEqual(sent, ["create a", "create b"]);
  await clock.advance(60_000);
  assert.deepEqual(sent.slice(2), ["create b", "create c"]);
});

Deno.test("run() lets a rejected credential hold back nobody else, and no Event be overtaken", async () => {
  await using world = setUp();
  const { journal, sent, script, clock } = world;
  script.set("a", [unreachable(true)]);
  journal.append(entryOf("create", "a"));
  journal.append(entryOf("create", "b"));
  journal.append(entryOf("patch", "a", "identity:b"));
  journal.append(entryOf("patch", "b", "identity:b"));
  journal.append(entryOf("create", "c", "identity:b"));
  world.start();
  await clock.advance(0);
  assert.deepEqual(sent, ["create a", "create c"]);
  await clock.advance(60_000);
  assert.deepEqual(sent.slice(2), ["create a", "create b", "patch a", "patch b"]);
});

Deno.test("run() takes a 403 for the authorizer's slow start before it believes it", async () => {
  await using world = setUp();
  const { journal, sent, script, dropped, clock } = world;
  script.set("a", [403, 403]);
  script.set("b", Array(10).fill(403));
  script.set("c", [403]);
  for (const name of ["a", "b", "c", "d"]) journal.append(entryOf("create", name));
  world.start();
  await clock.advance(3_600_000);
  const tries = (name: string) => sent.filter((each) => each === `create ${name}`).length;
  assert.deepEqual(["a", "b", "c", "d"].map(tries), [3, 4, 1, 1]);
  assert.deepEqual(dropped, ["refused", "refused"]);
});

Deno.test("run() makes an Event again that the cloud has forgotten, once, if it is known", async () => {
  await using world = setUp();
  const { journal, known, sent, script, dropped, clock } = world;
  const metadata = { name: "a", uid: "u", resourceVersion: "7", managedFields: [] };
  known.set("identity:a", `${PATH}/a`, { metadata, count: 2 });
  script.set("a", [404, 409]);
  script.set("b", [404]);
  journal.append(entryOf("patch", "a"));
  journal.append(entryOf("patch", "b"));
  world.start();
  await clock.advance(0);
  assert.deepEqual(sent, ["patch a", "create a", "patch b"]);
  assert.deepEqual(dropped, ["gone"]);
});

Deno.test("run() drops what is refused and what nobody can speak for, and goes on", async () => {
  await using world = setUp();
  const { journal, sent, script, dropped, clock } = world;
  script.set("a", [422]);
  script.set("b", [new UnknownSenderError("its token is not known")]);
  for (const name of ["a", "b", "c"]) journal.append(entryOf("create", name, `bearer:${name}`));
  world.start();
  await clock.advance(0);
  assert.deepEqual(sent, ["create a", "create b", "create c"]);
  assert.deepEqual(dropped, ["refused", "credential"]);
  assert.equal(journal.size, 0);
});

Deno.test("run() drops what fails in a way that nobody foresaw, and says so", async () => {
  await using world = setUp();
  const { journal, script, dropped, failed, clock } = world;
  script.set("a", [new TypeError("invalid header")]);
  for (const name of ["a", "b"]) journal.append(entryOf("create", name));
  world.start();
  await clock.advance(0);
  assert.deepEqual([dropped, journal.size], [["damaged"], 0]);
  assert.match(failed[0] ?? "", /invalid header/);
});

Deno.test("run() keeps what it was sending when it is told to stop", async () => {
  const world = setUp();
  const { journal, script, clock } = world;
  script.set("a", [503]);
  journal.append(entryOf("create", "a"));
  world.start();
  await clock.advance(0);
  await world[Symbol.asyncDispose]();
  assert.equal(journal.size, 1);
});
