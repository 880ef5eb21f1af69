import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { type KeptAnswer, Overlay, type ScopeRow } from "./overlay.ts";
import type { Operation } from "./schema.ts";

const object = (key: string, version: number, size = 4): StoredObject => ({
  key,
  uid: `u-${key}`,
  resourceVersion: String(version),
  body: utf8("x".repeat(size)),
});

const kept = (body: string): KeptAnswer => ({
  status: 200,
  headers: { etag: "1" },
  body: utf8(body),
  resourceVersion: "5",
  atMs: 7,
});

const row = (id: number, rv: string): ScopeRow => ({
  id,
  key: `scope ${id}`,
  rv,
  changeRv: rv,
  complete: true,
  head: "{}",
});

type Change =
  | { do: "item"; scope: number; key: string; object: StoredObject | null }
  | { do: "kept"; key: string; answer: KeptAnswer | null }
  | { do: "scope"; row: ScopeRow };

const key = fc.constantFrom("a", "b", "c");
const version = fc.integer({ min: 1, max: 99 });
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    do: fc.constant("item" as const),
    scope: fc.integer({ min: 1, max: 2 }),
    key,
    object: fc.option(fc.tuple(version, fc.nat(9)), { nil: null }),
  }).map(({ object: made, ...rest }): Change => ({
    ...rest,
    object: made && object(rest.key, ...made),
  })),
  fc.record({
    do: fc.constant("kept" as const),
    key,
    answer: fc.option(fc.string().map(kept), { nil: null }),
  }),
  fc.tuple(fc.integer({ min: 1, max: 2 }), version)
    .map(([id, rv]): Change => ({ do: "scope", row: row(id, String(rv)) })),
);

function record(overlay: Overlay, change: Change): void {
  if (change.do === "item") overlay.setItem(change.scope, change.key, change.object);
  else if (change.do === "kept") overlay.setKept(change.key, change.answer);
  else overlay.setScope(change.row);
}

function overlayOf(changes: readonly Change[]): Overlay {
  const overlay = new Overlay();
  for (const each of changes) record(overlay, each);
  return overlay;
}

Deno.test("add() leaves what recording the newer changes after the older ones would", () => {
  fc.assert(fc.property(fc.array(change), fc.array(change), (older, newer) => {
    const merged = overlayOf(older);
    merged.add(overlayOf(newer));
    const want = overlayOf([...older, ...newer]);
    const sorted = (operations: Operation[]) =>
      operations.map((each) =>
        JSON.stringify(each, (_, value) => value instanceof Uint8Array ? [...value] : value)
      ).sort();
    assert.deepEqual(sorted(merged.toOperations(new Set())), sorted(want.toOperations(new Set())));
    assert.equal(merged.bytes, want.bytes);
  }));
});

Deno.test("bytes is the sum of the bodies held, whatever was replaced or removed", () => {
  fc.assert(fc.property(fc.array(change), (changes) => {
    const overlay = overlayOf(changes);
    let sum = 0;
    for (const items of overlay.items.values()) {
      for (const each of items.values()) sum += each?.body.length ?? 0;
    }
    for (const each of overlay.kept.values()) sum += each?.body.length ?? 0;
    assert.equal(overlay.bytes, sum);
  }));
});

Deno.test("isEmpty is true until anything is recorded, a removal too", () => {
  assert.equal(new Overlay().isEmpty, true);
  assert.equal(overlayOf([{ do: "item", scope: 1, key: "a", object: null }]).isEmpty, false);
  assert.equal(overlayOf([{ do: "kept", key: "a", answer: null }]).isEmpty, false);
  assert.equal(overlayOf([{ do: "scope", row: row(1, "1") }]).isEmpty, false);
});

Deno.test("toOperations() says each change once, the newest of each key", () => {
  const overlay = overlayOf([
    { do: "item", scope: 1, key: "a", object: object("a", 1) },
    { do: "item", scope: 1, key: "a", object: object("a", 2) },
    { do: "item", scope: 1, key: "b", object: null },
    { do: "kept", key: "k", answer: kept("x") },
    { do: "kept", key: "gone", answer: null },
    { do: "scope", row: row(1, "9") },
  ]);
  assert.deepEqual(overlay.toOperations(new Set()), [
    { op: "scope", ...row(1, "9") },
    { op: "put", scope: 1, key: "a", uid: "u-a", rv: "2", body: utf8("xxxx"), sealed: false },
    { op: "remove", scope: 1, key: "b" },
    {
      op: "keep",
      key: "k",
      status: 200,
      headers: '{"etag":"1"}',
      rv: "5",
      at: 7,
      body: utf8("x"),
    },
    { op: "forget", key: "gone" },
  ]);
});
