import assert from "node:assert/strict";
import fc from "fast-check";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { KeptAnswers } from "../store/kept.ts";
import { Journal, type JournalLimits } from "./journal.ts";
import { formatEntry, type JournalEntry } from "./journal_entry.ts";

const ROOMY: JournalLimits = { maxEvents: 100, maxBytes: 100_000 };
const STRATEGIC = "application/strategic-merge-patch+json";

function setUp(limits = ROOMY) {
  const clock = new FakeClock();
  const store = new MemoryStore();
  const kept = new KeptAnswers(store.asStateStore(), clock);
  const dropped: string[] = [];
  let count = -1;
  const seen: JournalEntry[] = [];
  const open = () =>
    Journal.open(kept, clock, limits, {
      changed: (size) => count = size,
      dropped: (reason) => dropped.push(reason),
    }, (entry) => seen.push(entry));
  return { clock, store, kept, dropped, seen, open, journal: open(), count: () => count };
}

function create(name: string, caller = "identity:a"): JournalEntry {
  return {
    verb: "create",
    caller,
    object: `default/${name}`,
    path: "/api/v1/namespaces/default/events",
    query: "",
    contentType: "application/json",
    userAgent: "test",
    body: utf8(JSON.stringify({ metadata: { name } })),
  };
}

function patch(name: string, body: unknown, caller = "identity:a"): JournalEntry {
  const { path, ...rest } = create(name, caller);
  return {
    ...rest,
    verb: "patch",
    path: `${path}/${name}`,
    contentType: STRATEGIC,
    body: utf8(JSON.stringify(body)),
  };
}

/** Everything that waits, as it would be sent. */
function contents(journal: Journal): string[] {
  return journal.queued().map(({ seq }) => {
    const entry = journal.take(seq);
    journal.putBack();
    return entry === undefined ? "?" : `${entry.verb} ${entry.object} ${text(entry.body)}`;
  });
}

Deno.test("append() merges a patch into the one before it of the same Event", () => {
  const { journal } = setUp();
  journal.append(patch("a", { count: 1, message: "m" }));
  journal.append(patch("b", { count: 1 }));
  journal.append(patch("a", { count: 2 }));
  assert.deepEqual(contents(journal), [
    'patch default/a {"count":2,"message":"m"}',
    'patch default/b {"count":1}',
  ]);
});

Deno.test.each<{ name: string; first: JournalEntry; second: JournalEntry }>([
  { name: "into a create", first: create("a"), second: patch("a", { count: 2 }) },
  {
    name: "of another sender",
    first: patch("a", { count: 1 }),
    second: patch("a", { count: 2 }, "identity:b"),
  },
  {
    name: "of another kind",
    first: patch("a", { count: 1 }),
    second: { ...patch("a", { count: 2 }), contentType: "application/merge-patch+json" },
  },
  {
    name: "with other options",
    first: patch("a", { count: 1 }),
    second: { ...patch("a", { count: 2 }), query: "fieldManager=x" },
  },
  { name: "of lists", first: patch("a", { x: [1] }), second: patch("a", { count: 2 }) },
])("append() merges no patch $name", ({ first, second }) => {
  const { journal } = setUp();
  journal.append(first);
  journal.append(second);
  assert.equal(journal.size, 2);
});

Deno.test("append() merges nothing into what is being sent", () => {
  const { journal } = setUp();
  journal.append(patch("a", { count: 1 }));
  const [first] = journal.queued();
  journal.take(first!.seq);
  journal.append(patch("a", { count: 2 }));
  journal.delivered(first!.seq);
  assert.deepEqual(contents(journal), ['patch default/a {"count":2}']);
});

Deno.test("append() drops the oldest when there are too many, but not what is being sent", () => {
  const { journal, dropped } = setUp({ ...ROOMY, maxEvents: 2 });
  journal.append(create("a"));
  journal.append(create("b"));
  journal.take(journal.queued()[0]!.seq);
  journal.append(create("c"));
  journal.putBack();
  assert.deepEqual(journal.queued().map(({ object }) => object), ["default/a", "default/c"]);
  assert.deepEqual(dropped, ["full"]);
});

Deno.test("append() drops the oldest when they take too much room", () => {
  const { length } = formatEntry(create("a"));
  const { journal } = setUp({ ...ROOMY, maxBytes: 2 * length });
  for (const name of ["a", "b", "c"]) journal.append(create(name));
  assert.deepEqual(journal.queued().map(({ object }) => object), ["default/b", "default/c"]);
  assert.ok(journal.sizeBytes <= 2 * length);
  assert.ok(journal.accepts(create("d")));
  assert.ok(!journal.accepts({ ...create("d"), body: new Uint8Array(2 * length) }));
});

Deno.test("append() lets no pod push out what the node itself wrote", () => {
  const { journal } = setUp({ ...ROOMY, maxEvents: 4 });
  journal.append(create("mine"));
  for (let i = 0; i < 20; i++) journal.append(create(`flood-${i}`, "serviceaccount:ns:a"));
  assert.deepEqual(journal.queued().map(({ object }) => object), [
    "default/mine",
    ...[17, 18, 19].map((i) => `default/flood-${i}`),
  ]);
});

Deno.test("accepts() takes nothing when the journal is off", () => {
  assert.ok(!setUp({ ...ROOMY, maxEvents: 0 }).journal.accepts(create("a")));
});

Deno.test("isBehind() holds back what is of the same sender or of the same Event", () => {
  const { journal } = setUp();
  journal.append(create("a"));
  assert.ok(journal.isBehind("identity:a", "default/b"));
  assert.ok(journal.isBehind("identity:b", "default/a"));
  assert.ok(!journal.isBehind("identity:b", "default/b"));
  journal.delivered(journal.queued()[0]!.seq);
  assert.ok(!journal.isBehind("identity:a", "default/a"));
});

Deno.test("open() finds the entries, their order and their age, and counts on from there", async () => {
  const { journal, open, clock, seen } = setUp();
  const firstAtMs = clock.now();
  journal.append(create("a"));
  await clock.advance(5_000);
  journal.append(create("b"));
  const again = open();
  assert.deepEqual(seen.map(({ object }) => object), ["default/a", "default/b"]);
  assert.equal(again.oldestAtMs, firstAtMs);
  assert.equal(again.sizeBytes, journal.sizeBytes);
  again.append(create("c"));
  assert.deepEqual(again.queued().map(({ object }) => object), [
    "default/a",
    "default/b",
    "default/c",
  ]);
});

Deno.test("open() counts and forgets what can't be read", () => {
  const { journal, open, kept, dropped, count } = setUp();
  journal.append(create("a"));
  kept.keep("journal\n0000000000000002", { status: 200, headers: {}, body: utf8("x") });
  kept.keep("journal\nx", { status: 200, headers: {}, body: utf8("x") });
  assert.equal(open().size, 1);
  assert.deepEqual(dropped, ["damaged", "damaged"]);
  assert.equal(count(), 1);
  assert.equal(kept.keys("journal\n").length, 1);
});

Deno.test("open() drops the oldest when the limits have become tighter", () => {
  const { journal, kept, clock } = setUp();
  for (const name of ["a", "b", "c"]) journal.append(create(name));
  const tight = Journal.open(kept, clock, { ...ROOMY, maxEvents: 1 }, {
    changed: () => {},
    dropped: () => {},
  });
  assert.deepEqual(tight.queued().map(({ object }) => object), ["default/c"]);
});

Deno.test("take() drops what the store has lost meanwhile, as when the cluster is another", () => {
  const { journal, kept, dropped } = setUp();
  journal.append(create("a"));
  for (const key of kept.keys("journal\n")) kept.forget(key);
  assert.equal(journal.take(journal.queued()[0]!.seq), undefined);
  assert.deepEqual(dropped, ["damaged"]);
  assert.equal(journal.size, 0);
});

Deno.test("filled() resolves with the first entry, and when it is told to stop", async () => {
  const { journal } = setUp();
  const stop = new AbortController();
  let filled = false;
  const waiting = journal.filled(stop.signal).then(() => filled = true);
  await Promise.resolve();
  assert.ok(!filled);
  journal.append(create("a"));
  await waiting;
  journal.delivered(journal.queued()[0]!.seq);
  const stopped = journal.filled(stop.signal);
  stop.abort();
  await stopped;
});

type Step =
  | { do: "append"; entry: JournalEntry }
  | { do: "deliver" }
  | { do: "take" }
  | { do: "put back" }
  | { do: "restart" };

const MAX = 4;
const name = fc.constantFrom("a", "b", "c");
const caller = fc.constantFrom("identity:a", "identity:b");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(name, caller).map(([name, caller]): Step => ({
    do: "append",
    entry: create(name, caller),
  })),
  fc.tuple(name, fc.nat(9), caller).map(([name, count, caller]): Step => ({
    do: "append",
    entry: patch(name, { count }, caller),
  })),
  fc.constantFrom<Step>(
    { do: "deliver" },
    { do: "take" },
    { do: "put back" },
    { do: "restart" },
  ),
);

// The model: a list of entries, where a patch replaces the count of the last entry of its Event if that is
// a patch of the same sender and not being sent, and where the first that is not being sent goes when there
// are too many.
Deno.test("Journal does what a plain list does, whatever is appended, sent and restarted", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const { open, journal: first } = setUp({ ...ROOMY, maxEvents: MAX });
    let journal = first;
    const model: { entry: JournalEntry; sending: boolean }[] = [];
    for (const step of steps) {
      switch (step.do) {
        case "append": {
          const { entry } = step;
          journal.append(entry);
          const last = model.findLast((each) => each.entry.object === entry.object);
          const merges = entry.verb === "patch" && last?.entry.verb === "patch" &&
            last.entry.caller === entry.caller && !last.sending;
          if (merges) last.entry = entry;
          else model.push({ entry, sending: false });
          if (model.length > MAX) model.splice(model.findIndex(({ sending }) => !sending), 1);
          break;
        }
        case "take":
          journal.putBack();
          for (const each of model) each.sending = false;
          if (model[0] === undefined) break;
          model[0].sending = true;
          journal.take(journal.queued()[0]!.seq);
          break;
        case "deliver":
          if (!model[0]?.sending) break;
          journal.delivered(journal.queued()[0]!.seq);
          model.shift();
          break;
        case "put back":
          journal.putBack();
          for (const each of model) each.sending = false;
          break;
        case "restart":
          journal = open();
          for (const each of model) each.sending = false;
          break;
        default:
          step satisfies never;
      }
      assert.equal(journal.size, model.length);
    }
    const want = model.map(({ entry }) => `${entry.verb} ${entry.object} ${text(entry.body)}`);
    assert.deepEqual(contents(journal), want);
  }));
});
