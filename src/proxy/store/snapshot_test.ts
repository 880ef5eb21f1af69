import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import type { Database } from "../../platform/sqlite.ts";
import { itemChecksum } from "./checksum.ts";
import { DamagedError } from "./rows.ts";
import { Sealer } from "./sealer.ts";
import { createSnapshot } from "./snapshot.ts";

const object = (key: string, version = 1): StoredObject => ({
  key,
  uid: `u-${key}`,
  resourceVersion: String(version),
  body: utf8(`{"${key}":${version}}`),
});

/** A database that holds the rows of one scope and knows the one statement of a snapshot. */
function stubDatabase(objects: readonly StoredObject[], damaged: readonly string[] = []): Database {
  const rows = objects.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return {
    exec() {},
    prepare: (sql) => ({
      all(_scope, after, before) {
        const limit = Number(/LIMIT (\d+)/.exec(sql)![1]);
        return rows.filter(({ key }) => key > String(after) && key < String(before)).slice(0, limit)
          .map(({ key, uid, resourceVersion: rv, body }) => {
            const row = { scope: 1, key, uid, rv, form: 0, body };
            return { ...row, sum: itemChecksum(row) + (damaged.includes(key) ? 1 : 0) };
          });
      },
      get: () => undefined,
      run() {},
    }),
    [Symbol.dispose]() {},
  };
}

const sealer = new Sealer(new Uint8Array(32));

function open(
  stored: readonly StoredObject[],
  changes: ReadonlyMap<string, StoredObject | null> = new Map(),
  options: { after?: string; before?: string; damaged?: string[] } = {},
) {
  let released = 0;
  const db = stubDatabase(stored, options.damaged);
  const range = { after: options.after ?? "", before: options.before };
  const snapshot = createSnapshot(
    { db, sealer, scope: 1, changes, counted: true },
    range,
    () => released++,
  );
  return { snapshot, released: () => released };
}

function readAll({ snapshot }: ReturnType<typeof open>): StoredObject[] {
  const all: StoredObject[] = [];
  for (let slice = snapshot.next(); slice.length > 0; slice = snapshot.next()) all.push(...slice);
  return all;
}

const keys = fc.uniqueArray(
  fc.integer({ min: 0, max: 400 }).map((n) => `k${String(n).padStart(3, "0")}`),
  {
    maxLength: 300,
    size: "max",
  },
);

Deno.test("createSnapshot() is the file with the changes laid over it, in the order of the keys", () => {
  fc.assert(
    fc.property(
      keys,
      keys,
      fc.func(fc.boolean()),
      fc.option(fc.tuple(fc.nat(400), fc.nat(400))),
      (stored, changed, isGone, bounds) => {
        const changes = new Map(
          changed.map((key) => [key, isGone(key) ? null : object(key, 2)] as const),
        );
        const [after, before] = bounds === null
          ? ["", undefined]
          : bounds.map((n) => `k${String(n).padStart(3, "0")}`) as [string, string];
        const model = new Map(stored.map((key) => [key, object(key)] as const));
        for (const [key, change] of changes) {
          if (change === null) model.delete(key);
          else model.set(key, change);
        }
        const want = [...model.values()]
          .filter(({ key }) => key > after && (before === undefined || key < before))
          .sort((a, b) => (a.key < b.key ? -1 : 1));
        const run = open(stored.map((key) => object(key)), changes, { after, before });
        assert.deepEqual(readAll(run), want);
        assert.equal(run.released(), 1);
        assert.deepEqual(run.snapshot.next(), []);
      },
    ),
  );
});

Deno.test("next() never gives an empty slice before the end, whatever was removed", () => {
  const stored = Array.from({ length: 300 }, (_, i) => object(`k${String(i).padStart(3, "0")}`));
  const changes = new Map(stored.slice(0, 299).map(({ key }) => [key, null]));
  assert.deepEqual(readAll(open(stored, changes)).map(({ key }) => key), ["k299"]);
});

Deno.test("next() throws a DamagedError that names the object when a body is not what was stored", () => {
  const { snapshot } = open([object("a"), object("b")], new Map(), { damaged: ["b"] });
  assert.throws(() => snapshot.next(), (error) => {
    assert.ok(error instanceof DamagedError);
    assert.deepEqual([error.key, error.code], ["b", "damaged"]);
    return true;
  });
});

Deno.test("dispose gives the connection back once, and nothing follows", () => {
  const run = open([object("a")]);
  run.snapshot[Symbol.dispose]();
  run.snapshot[Symbol.dispose]();
  assert.equal(run.released(), 1);
  assert.deepEqual(run.snapshot.next(), []);
});
