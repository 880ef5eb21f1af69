import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, utf8 } from "../../../tests/testing/arbitraries.ts";
import {
  isSealedKept,
  isSealedResource,
  itemPlace,
  keptPlace,
  Sealer,
  UnreadableError,
} from "./sealer.ts";

const sealer = new Sealer(utf8("a secret of some length"));
const bytes = fc.uint8Array({ maxLength: 300 });

Deno.test("unseal() gives back what was sealed for the place, and only with the same secret", () => {
  fc.assert(fc.property(bytes, fc.string(), (plain, place) => {
    const sealed = sealer.seal(plain, place);
    assert.deepEqual(sealer.unseal(sealed, place), Uint8Array.from(plain));
    assert.throws(() => sealer.unseal(sealed, `${place}x`), UnreadableError);
    assert.throws(() => new Sealer(utf8("another")).unseal(sealed, place), UnreadableError);
  }));
});

Deno.test("seal() never gives the same bytes twice", () => {
  const seen = Array.from({ length: 100 }, () => String(sealer.seal(utf8("a"), "p")));
  assert.equal(new Set(seen).size, 100);
});

Deno.test("unseal() throws an UnreadableError for every changed bit and for any bytes", () => {
  const sealed = sealer.seal(utf8("some text"), "p");
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = sealed.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => sealer.unseal(changed, "p"), UnreadableError);
  }
  fc.assert(
    fc.property(bytes, (any) => assert.throws(() => sealer.unseal(any, "p"), UnreadableError)),
    { numRuns: Math.min(FUZZ_RUNS, 2_000) },
  );
});

Deno.test("the place of a row tells every column and table apart", () => {
  const item = { scope: 1, key: "a", uid: "b", rv: "2" };
  const kept = { key: "a", status: 200, headers: "{}", rv: "2", at: 5 };
  const places = [
    itemPlace(item),
    itemPlace({ ...item, scope: 12, rv: "" }),
    itemPlace({ ...item, key: 'a","b' }),
    itemPlace({ ...item, uid: "c" }),
    keptPlace(kept),
    keptPlace({ ...kept, key: "b" }),
    keptPlace({ ...kept, at: 6 }),
  ];
  assert.equal(new Set(places).size, places.length);
});

Deno.test.each([
  { key: "object\nidentity:node\nv1/pods\na\nobject", want: true },
  { key: "token\nx", want: true },
  { key: "journal\n1", want: true },
  { key: "something that nobody thought of", want: true },
  { key: "discovery\n/api\n*/*", want: false },
  { key: "proven\nbearer:x", want: false },
  { key: "cloud", want: false },
])("isSealedKept() of $key is $want", ({ key, want }) => {
  assert.equal(isSealedKept(key), want);
});

Deno.test("isSealedResource() is true of Secrets, not of what is called alike", () => {
  assert.equal(isSealedResource({ group: "", resource: "secrets" }), true);
  assert.equal(isSealedResource({ group: "example.com", resource: "secrets" }), false);
  assert.equal(isSealedResource({ group: "", resource: "configmaps" }), false);
});
