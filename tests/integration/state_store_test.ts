import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import type { StoredObject } from "../../src/kube/object_meta.ts";
import { DamagedError } from "../../src/proxy/store/rows.ts";
import { utf8 } from "../testing/arbitraries.ts";
import { MemoryStore } from "../testing/memory_store.ts";
import { countItems as count, FLUSH_MS, RETRY_MS, StateFile } from "../testing/state_file.ts";
import {
  keptAnswer,
  readAll,
  scopeRow,
  stateStoreContract,
  storedObject,
} from "../testing/state_store_contract.ts";

stateStoreContract("MemoryStore", () => {
  const store = new MemoryStore();
  return Promise.resolve({
    store,
    flush: () => Promise.resolve(store.commit()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

stateStoreContract("StateStore", async () => {
  const file = new StateFile();
  const store = await file.open();
  let flushes = 0;
  return {
    store,
    async flush() {
      // A mark behind everything else: when it is in the file, so is that.
      const mark = `flush ${++flushes}`;
      store.keep(mark, keptAnswer(""));
      await file.clock.advance(FLUSH_MS);
      await file.until((db) =>
        db.prepare("SELECT 1 FROM kept WHERE key = ?").get(mark) !== undefined
      );
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
});

Deno.test("StateStore has after a restart what it had before, and only that", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.put(1, storedObject("a", 1));
    store.put(1, storedObject("b", 2));
    store.remove(1, "a");
    store.saveScope(scopeRow(1, "10"));
    store.keep("k", keptAnswer("x"));
  }
  await using store = await file.open();
  assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["b"]);
  assert.deepEqual(store.scopes(), [scopeRow(1, "10")]);
  assert.notEqual(store.kept("k"), undefined);
  assert.deepEqual(file.events, []);
  assert.equal(file.clock.pending, 0);
});

Deno.test("StateStore begins without the first list in whose middle the process died", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.put(1, storedObject("half"));
    store.put(2, storedObject("whole"));
    store.saveScope(scopeRow(2, "10"));
    store.put(3, storedObject("damaged scope"));
    store.saveScope(scopeRow(3, "", { complete: false }));
  }
  await using store = await file.open();
  assert.deepEqual([1, 2, 3].map((scope) => readAll(store, scope).length), [0, 1, 0]);
  assert.equal(file.look(count), 1);
});

Deno.test("StateStore writes changes together after 250 ms, and bookmarks alone after 30 s", async () => {
  await using file = new StateFile();
  await using store = await file.open();
  store.saveScope(scopeRow(1, "10"), { lazy: true });
  await file.clock.advance(29_999);
  assert.deepEqual(file.look((db) => db.prepare("SELECT id FROM scopes").all()), []);
  await file.clock.advance(1);
  await file.until((db) => db.prepare("SELECT id FROM scopes").all().length === 1);
  store.saveScope(scopeRow(1, "20"), { lazy: true });
  store.put(1, storedObject("a"));
  await file.clock.advance(FLUSH_MS);
  await file.until((db) =>
    db.prepare("SELECT rv FROM scopes").get()?.rv === "20" && count(db) === 1
  );
});

Deno.test("StateStore equals a map whatever is changed, written and reopened in whatever order", async () => {
  type Step =
    | { do: "put" | "remove"; key: string }
    | { do: "flush" | "yield" | "reopen" | "look" | "get" };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom("put" as const, "put" as const, "remove" as const),
        key: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        "flush" as const,
        "yield" as const,
        "look" as const,
        "get" as const,
      )
        .map((name): Step => ({ do: name })),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "reopen" }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      await using file = new StateFile();
      let store = await file.open();
      const model = new Map<string, StoredObject>();
      let version = 0;
      const check = () => {
        const want = [...model.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
        const versions = ({ key, resourceVersion }: StoredObject) => `${key}@${resourceVersion}`;
        assert.deepEqual(readAll(store, 1).map(versions), want.map(versions));
        assert.deepEqual([...store.versions(1).keys()].sort(), [...model.keys()].sort());
        for (const key of ["a", "f"]) {
          assert.equal(store.get(1, key)?.resourceVersion, model.get(key)?.resourceVersion);
        }
      };
      try {
        store.saveScope(scopeRow(1, "1"));
        for (const step of steps) {
          if (step.do === "put") {
            const object = storedObject(step.key, ++version);
            model.set(step.key, object);
            store.put(1, object);
          } else if (step.do === "remove") {
            model.delete(step.key);
            store.remove(1, step.key);
          } else if (step.do === "flush") {
            await file.clock.advance(FLUSH_MS);
          } else if (step.do === "reopen") {
            await store[Symbol.asyncDispose]();
            store = await file.open();
          } else {
            await setImmediate();
          }
          check();
        }
      } finally {
        await store[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 25 },
  );
});

/** Fills a file and gives it up. */
async function fill(file: StateFile): Promise<void> {
  await using store = await file.open();
  for (let i = 0; i < 500; i++) store.put(1, storedObject(`k${i}`));
  store.saveScope(scopeRow(1, "10"));
  store.keep("k", keptAnswer("x"));
}

Deno.test.each<{ name: string; spoil: (file: StateFile) => void }>([
  {
    name: "is no database",
    spoil: ({ path }) => Deno.writeTextFileSync(path, "junk".repeat(4_000)),
  },
  {
    name: "is of another schema",
    spoil: (file) => file.look((db) => db.exec("PRAGMA user_version = 99")),
  },
  {
    name: "has no version",
    spoil: (file) => file.look((db) => db.exec("PRAGMA user_version = 0")),
  },
  {
    name: "was emptied by another program, but for its header",
    spoil: (file) => file.look((db) => db.exec("DROP TABLE kept; PRAGMA user_version = 7")),
  },
  {
    name: "is a directory",
    spoil: ({ path }) => {
      Deno.removeSync(path);
      Deno.mkdirSync(path);
      Deno.writeTextFileSync(`${path}/a`, "b");
    },
  },
])("StateStore.open() sets the file aside and begins empty when it $name", async ({ spoil }) => {
  await using file = new StateFile();
  await fill(file);
  spoil(file);
  await using store = await file.open();
  assert.deepEqual([store.scopes(), readAll(store, 1), store.kept("k")], [[], [], undefined]);
  assert.equal(file.events.length, 1);
  const aside = /^set aside (\S+): /.exec(file.events[0]!)![1]!;
  const { size } = await Deno.stat(aside);
  assert.ok(size > 0, "it is kept for whoever wants to look");
  store.put(1, storedObject("new"));
  await file.clock.advance(FLUSH_MS);
  await file.until((db) => count(db) === 1);
});

Deno.test("StateStore throws a DamagedError instead of a body that changed on the medium", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.put(1, storedObject("a"));
    store.put(1, storedObject("b"));
    store.saveScope(scopeRow(1, "10"));
    store.keep("good", keptAnswer("x"));
    store.keep("bad", keptAnswer("x"));
  }
  file.look((db) => {
    const body = utf8('{"key":"b","version":"2"}');
    db.prepare("UPDATE items SET body = ? WHERE key = 'b'").run(body);
    db.prepare("UPDATE kept SET body = ? WHERE key = 'bad'").run(utf8("y"));
  });
  await using store = await file.open();
  assert.equal(store.get(1, "a")?.key, "a");
  assert.throws(() => store.get(1, "b"), DamagedError);
  assert.throws(() => readAll(store, 1), (error) => {
    return error instanceof DamagedError && error.key === "b";
  });
  assert.notEqual(store.kept("good"), undefined);
  assert.equal(store.kept("bad"), undefined);
  assert.equal(store.versions(1).size, 2);
  store.put(1, storedObject("b", 3));
  assert.equal(store.get(1, "b")?.resourceVersion, "3");
});

/** The medium refuses every new object, as a full disk does. */
const refuse = (file: StateFile) =>
  file.look((db) =>
    db.exec(
      "CREATE TRIGGER full BEFORE INSERT ON items BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
  );
const accept = (file: StateFile) => file.look((db) => db.exec("DROP TRIGGER full"));

/** Lets time pass until something is reported. */
async function reported(file: StateFile, events: number): Promise<void> {
  while (file.events.length < events) await file.clock.advance(FLUSH_MS);
}

Deno.test("StateStore keeps changes in memory while the disk refuses them, and writes them later", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.put(1, storedObject("old"));
    store.saveScope(scopeRow(1, "10"));
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => count(db) === 1);
    refuse(file);
    store.put(1, storedObject("new"));
    store.remove(1, "old");
    store.saveScope(scopeRow(1, "11"));
    await reported(file, 1);
    assert.match(file.events[0]!, /^failed: disk full/);
    assert.equal(store.failing, true);
    assert.equal(await store.written(), false);
    assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["new"]);
    assert.equal(file.look(count), 1, "all or nothing of a batch");
    await store.settled();
    store.put(1, storedObject("newer"));
    await file.clock.advance(RETRY_MS);
    accept(file);
    while (store.failing) await file.clock.advance(RETRY_MS);
    assert.deepEqual(file.events.slice(1), ["recovered"]);
    await file.until((db) => count(db) === 2);
  }
  await using store = await file.open();
  assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["new", "newer"]);
  assert.equal(store.scopes()[0]?.rv, "11");
});

Deno.test("StateStore ends although the disk refuses the last changes", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.saveScope(scopeRow(1, "10"));
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => db.prepare("SELECT 1 FROM scopes").get() !== undefined);
    refuse(file);
    store.put(1, storedObject("lost"));
    store.saveScope(scopeRow(1, "11"));
  }
  accept(file);
  await using store = await file.open();
  assert.deepEqual([readAll(store, 1), store.scopes()[0]?.rv], [[], "10"]);
});

Deno.test("settled() holds a first list back until most of it is written", async () => {
  await using file = new StateFile();
  await using store = await file.open();
  const body = new Uint8Array(1024 * 1024).fill(0x20);
  for (let i = 0; i < 6; i++) store.put(1, { ...storedObject(`k${i}`), body });
  await store.settled();
  assert.equal(file.look(count), 6);
});

Deno.test("written() writes at once, also what came while a batch was on its way", async () => {
  await using file = new StateFile();
  const store = await file.open();
  assert.equal(await store.written(), true, "nothing to be written");
  store.put(1, storedObject("a"));
  const first = store.written();
  const meanwhile = store.written();
  store.put(1, storedObject("b"));
  const second = store.written();
  assert.deepEqual(await Promise.all([first, meanwhile, second]), [true, true, true]);
  assert.equal(file.look(count), 2);
  refuse(file);
  store.put(1, storedObject("c"));
  assert.deepEqual(await Promise.all([store.written(), store.written()]), [false, false]);
  accept(file);
  store.put(1, storedObject("d"));
  const last = store.written();
  await store[Symbol.asyncDispose]();
  assert.equal(await last, false);
  assert.equal(await store.written(), false, "it is closed");
});
