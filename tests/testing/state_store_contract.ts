import assert from "node:assert/strict";
import type { StoredObject } from "../../src/kube/object_meta.ts";
import type { KeptAnswer, ScopeRow } from "../../src/proxy/store/overlay.ts";
import type { Snapshot } from "../../src/proxy/store/snapshot.ts";
import type { StateStore } from "../../src/proxy/store/state_store.ts";
import { text, utf8 } from "./arbitraries.ts";

/** What is held to the contract. */
type Store = Pick<StateStore, keyof StateStore>;

/** An object whose body tells its key and version. */
export function storedObject(key: string, version: number | string = 1): StoredObject {
  const body = utf8(JSON.stringify({ key, version: String(version) }));
  return { key, uid: `u-${key}`, resourceVersion: String(version), body };
}

/** The row of a complete scope. */
export function scopeRow(id: number, rv: string, fields: Partial<ScopeRow> = {}): ScopeRow {
  return { id, key: `scope ${id}`, rv, changeRv: rv, complete: true, head: "{}", ...fields };
}

/** A kept answer. */
export function keptAnswer(body: string): KeptAnswer {
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: utf8(body),
    resourceVersion: "5",
    atMs: 1_700_000_000_000,
  };
}

/** Every object of a scope. */
export function readAll(
  store: Store,
  scope: number,
  range?: { after?: string; before?: string },
): StoredObject[] {
  using snapshot = store.snapshot(scope, range);
  return drain(snapshot);
}

/** What a snapshot still holds. */
function drain(snapshot: Snapshot): StoredObject[] {
  const all: StoredObject[] = [];
  for (let slice = snapshot.next(); slice.length > 0; slice = snapshot.next()) all.push(...slice);
  return all;
}

const keysOf = (store: Store, scope: number, range?: { after?: string; before?: string }) =>
  readAll(store, scope, range).map(({ key }) => key);

/** What a state store does, real or in memory. @param flush hands what was changed to the medium */
export function stateStoreContract(
  name: string,
  open: () => Promise<{ store: Store; flush(): Promise<void> } & AsyncDisposable>,
): void {
  const test = (
    what: string,
    run: (store: Store, flush: () => Promise<void>) => Promise<void>,
  ) =>
    Deno.test(`${name} ${what}`, async () => {
      await using opened = await open();
      await run(opened.store, () => opened.flush());
    });

  test(
    "gives objects back as they were put, at once and when they were written",
    async (store, flush) => {
      store.put(1, storedObject("ns/a", 7));
      assert.deepEqual(store.get(1, "ns/a"), storedObject("ns/a", 7));
      await flush();
      const { body, ...rest } = store.get(1, "ns/a")!;
      assert.deepEqual(rest, { key: "ns/a", uid: "u-ns/a", resourceVersion: "7" });
      assert.deepEqual(JSON.parse(text(body)), { key: "ns/a", version: "7" });
    },
  );

  test("keeps scopes apart", async (store, flush) => {
    store.put(1, storedObject("a", 1));
    store.put(2, storedObject("a", 2));
    await flush();
    store.remove(1, "a");
    assert.equal(store.get(1, "a"), undefined);
    assert.equal(store.get(2, "a")?.resourceVersion, "2");
  });

  test("keeps a copy: the buffer of the caller may be used again", async (store) => {
    const object = storedObject("a");
    store.put(1, object);
    const answer = keptAnswer("body");
    store.keep("k", answer);
    object.body.fill(0);
    answer.body.fill(0);
    assert.match(text(store.get(1, "a")!.body), /"a"/);
    assert.equal(text(store.kept("k")!.body), "body");
    await Promise.resolve();
  });

  test("forgets what was removed, written or not", async (store, flush) => {
    store.put(1, storedObject("a"));
    store.put(1, storedObject("b"));
    await flush();
    store.remove(1, "a");
    assert.deepEqual([store.get(1, "a"), keysOf(store, 1)], [undefined, ["b"]]);
    await flush();
    assert.deepEqual([store.get(1, "a"), keysOf(store, 1)], [undefined, ["b"]]);
    store.put(1, storedObject("a", 9));
    assert.equal(store.get(1, "a")?.resourceVersion, "9");
  });

  test("lists in the order of the keys, inside a range", async (store, flush) => {
    for (const key of ["b/y", "a-b/x", "a/x", "a/z"]) store.put(1, storedObject(key));
    await flush();
    store.put(1, storedObject("a/y"));
    store.remove(1, "a/z");
    assert.deepEqual(keysOf(store, 1), ["a-b/x", "a/x", "a/y", "b/y"]);
    assert.deepEqual(keysOf(store, 1, { after: "a/", before: "a0" }), ["a/x", "a/y"]);
    assert.deepEqual(keysOf(store, 1, { after: "a/x" }), ["a/y", "b/y"]);
  });

  test(
    "shows one moment in a snapshot, whatever is changed and written meanwhile",
    async (store, flush) => {
      for (let i = 100; i < 300; i++) store.put(1, storedObject(`k${i}`));
      await flush();
      store.put(1, storedObject("k050"));
      using snapshot = store.snapshot(1);
      using unread = store.snapshot(1);
      const first = snapshot.next();
      store.remove(1, "k299");
      store.put(1, storedObject("k298", 2));
      store.put(1, storedObject("k999"));
      await flush();
      for (const all of [[...first, ...drain(snapshot)], drain(unread)]) {
        assert.equal(all.length, 201);
        const [last, before] = [all.at(-1), all.at(-2)];
        assert.deepEqual([all[0]?.key, last?.key, before?.resourceVersion], ["k050", "k299", "1"]);
      }
      assert.equal(keysOf(store, 1).length, 201);
    },
  );

  test("tells the version of every object", async (store, flush) => {
    store.put(1, storedObject("a", 1));
    store.put(1, storedObject("b", 2));
    await flush();
    store.put(1, storedObject("b", 3));
    store.put(1, storedObject("c", 4));
    store.remove(1, "a");
    assert.deepEqual([...store.versions(1)].sort(), [
      ["b", { uid: "u-b", resourceVersion: "3" }],
      ["c", { uid: "u-c", resourceVersion: "4" }],
    ]);
  });

  test("takes versions of any length", async (store, flush) => {
    const version = "123456789012345678901234567890";
    store.put(1, storedObject("a", version));
    store.saveScope(scopeRow(1, version));
    await flush();
    assert.equal(store.get(1, "a")?.resourceVersion, version);
    assert.equal(store.scopes()[0]?.rv, version);
  });

  test("lists the scopes that are complete", async (store, flush) => {
    store.saveScope(scopeRow(1, "10", { changeRv: "8", head: '{"kind":"PodList"}' }));
    store.saveScope(scopeRow(2, "11", { complete: false }));
    await flush();
    assert.deepEqual(store.scopes(), [
      scopeRow(1, "10", { changeRv: "8", head: '{"kind":"PodList"}' }),
    ]);
    store.saveScope(scopeRow(1, "20"));
    await flush();
    assert.equal(store.scopes()[0]?.rv, "20");
  });

  test("tells small scopes from large ones", async (store, flush) => {
    for (let i = 0; i < 20; i++) store.put(1, storedObject(`k${i}`));
    await flush();
    // What is written but not yet known to be may count twice: the answer is only ever too careful.
    assert.deepEqual([store.isSmall(1, 40), store.isSmall(1, 19)], [true, false]);
    assert.equal(store.isSmall(2, 0), true);
  });

  test("keeps answers by key and forgets them", async (store, flush) => {
    store.keep("a\nb", keptAnswer("1"));
    assert.deepEqual(store.kept("a\nb"), keptAnswer("1"));
    await flush();
    const { body, ...rest } = store.kept("a\nb")!;
    const { body: _, ...want } = keptAnswer("1");
    assert.deepEqual([rest, text(body)], [want, "1"]);
    store.forget("a\nb");
    assert.equal(store.kept("a\nb"), undefined);
    await flush();
    assert.equal(store.kept("a\nb"), undefined);
  });

  test("finds the keys of kept answers by their beginning", async (store, flush) => {
    for (const key of ["x\nb", "x\na", "xy\na", "w"]) store.keep(key, keptAnswer(""));
    await flush();
    store.keep("x\nc", keptAnswer(""));
    store.forget("x\na");
    assert.deepEqual(store.keptKeys("x\n"), ["x\nb", "x\nc"]);
  });

  test("tells the kept answers by age, and evicts them", async (store, flush) => {
    store.keep("new", { ...keptAnswer(""), atMs: 30 });
    store.keep("old", { ...keptAnswer(""), atMs: 10 });
    store.keep("middle", { ...keptAnswer(""), atMs: 20 });
    await flush();
    const keys = () =>
      store.keptByAge().map(({ key }) => key).filter((key) => !key.startsWith("flush"));
    assert.deepEqual(keys(), ["old", "middle", "new"]);
    assert.equal(await store.evict(["old", "new"]), true);
    assert.deepEqual(keys(), ["middle"]);
    assert.equal(store.kept("old"), undefined);
  });

  test("drops a scope with all its objects, written or not", async (store, flush) => {
    for (const scope of [1, 2]) {
      for (let i = 0; i < 250; i++) store.put(scope, storedObject(`k${i}`));
      store.saveScope(scopeRow(scope, "10"));
    }
    await flush();
    store.put(1, storedObject("unwritten"));
    assert.equal(await store.drop([1]), true);
    // Another scope may have its key at once.
    store.saveScope(scopeRow(3, "11", { key: "scope 1" }));
    await flush();
    assert.deepEqual(store.scopes().map(({ id, key }) => [id, key]), [[2, "scope 2"], [
      3,
      "scope 1",
    ]]);
    assert.deepEqual([readAll(store, 1).length, readAll(store, 2).length], [0, 250]);
  });

  test("begins empty when it is renewed, at once", async (store, flush) => {
    store.put(1, storedObject("a"));
    store.saveScope(scopeRow(1, "10"));
    store.keep("k", keptAnswer("x"));
    await flush();
    store.put(1, storedObject("b"));
    const renewed = store.renew("a test");
    assert.deepEqual([readAll(store, 1), store.kept("k"), store.scopes()], [[], undefined, []]);
    store.put(1, storedObject("c"));
    await renewed;
    await flush();
    assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["c"]);
  });
}
