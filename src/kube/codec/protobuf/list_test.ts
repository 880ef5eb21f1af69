import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cutAt,
  cuts,
  FUZZ_RUNS,
  mutate,
  mutations,
} from "../../../../tests/testing/arbitraries.ts";
import {
  anyItem,
  encode,
  encodeList,
  encodeMeta,
  envelope,
  hex,
} from "../../../../tests/testing/protobuf.ts";
import { concatBytes } from "../json.ts";
import type { ListHead } from "../list.ts";
import { ENVELOPE_END } from "./envelope.ts";
import { formatListItem, formatListOpening, ProtobufListSplitter } from "./list.ts";

interface Split {
  items: Uint8Array[];
  head: ListHead;
}

function split(chunks: readonly Uint8Array[]): Split {
  const splitter = new ProtobufListSplitter();
  const items = chunks.flatMap((chunk) => splitter.push(chunk).map((item) => item.slice()));
  return { items, head: splitter.end() };
}

const list = fc.record({
  resourceVersion: fc.stringMatching(/^[1-9][0-9]{0,20}$/),
  token: fc.string({ maxLength: 200 }),
  items: fc.array(anyItem.map(({ body }) => body), { maxLength: 5 }),
});

const head = (resourceVersion: string, token: string): ListHead => ({
  kind: "PodList",
  apiVersion: "v1",
  resourceVersion,
  continue: token,
  extra: {},
});

/** Two ConfigMaps of a real kube-apiserver 1.35.4, one page of a list. */
const REAL = hex(
  "6b3873000a130a027631120d4e616d6573706163654c69737412e2020a560a0012033231301a4b65794a32496a6f6962575630595335724f484d7561573876646a45694c434a79646949364d6a45774c434a7a64474679644349364969396b5a575a6864577830584855774d444177496e3020031287020aec010a0764656661756c7412001a0022002a2434303261663336302d386263662d346461332d386565302d3065326238343734643334623201363800420808d3ca8fd80610005a260a1b6b756265726e657465732e696f2f6d657461646174612e6e616d65120764656661756c748a017d0a0e6b7562652d61706973657276657212065570646174651a027631220808d3ca8fd806100032084669656c647356313a490a477b22663a6d65746164617461223a7b22663a6c6162656c73223a7b222e223a7b7d2c22663a6b756265726e657465732e696f2f6d657461646174612e6e616d65223a7b7d7d7d7d4200120c0a0a6b756265726e657465731a080a064163746976651a002200",
);

Deno.test("ProtobufListSplitter finds what an encoder wrote wherever the body is cut", () => {
  fc.assert(fc.property(list, cuts, ({ resourceVersion, token, items }, fractions) => {
    const body = encodeList({ resourceVersion, token }, items);
    const got = split(cutAt(body, fractions));
    assert.deepEqual(got.items, items);
    assert.deepEqual(got.head, head(resourceVersion, token));
  }));
});

Deno.test("ProtobufListSplitter finds the same at every single cut of a real list", () => {
  const whole = split([REAL]);
  assert.deepEqual([whole.items.length, whole.head.kind, whole.head.resourceVersion], [
    1,
    "NamespaceList",
    "210",
  ]);
  assert.match(atob(whole.head.continue), /"rv":210/);
  for (let at = 0; at <= REAL.length; at++) {
    assert.deepEqual(split([REAL.subarray(0, at), REAL.subarray(at)]), whole, `cut at ${at}`);
  }
  assert.deepEqual(split([...REAL].map((byte) => Uint8Array.of(byte))), whole);
});

Deno.test("end() throws a SyntaxError when anything of the list is missing", () => {
  // The two empty fields that Go writes last say nothing: without them the list is whole.
  const whole = REAL.length - ENVELOPE_END.length;
  for (let at = 0; at < REAL.length; at++) {
    const splitter = new ProtobufListSplitter();
    splitter.push(REAL.subarray(0, at));
    if (at < whole || (at - whole) % 2 === 1) {
      assert.throws(() => splitter.end(), SyntaxError, `${at}`);
    } else splitter.end();
  }
});

Deno.test("ProtobufListSplitter gives a list or a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(list, mutations, cuts, ({ resourceVersion, token, items }, changes, fractions) => {
      const bytes = mutate(encodeList({ resourceVersion, token }, items), changes);
      try {
        const cut = split(cutAt(bytes, fractions));
        assert.deepEqual(cut, split([bytes]), "the same however it is cut");
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
        assert.throws(() => split([bytes]), SyntaxError);
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("ProtobufListSplitter gives a list or a SyntaxError when the bytes are noise", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
      for (
        const bytes of [
          noise,
          concatBytes([hex("6b387300"), noise]),
          concatBytes([REAL.subarray(0, 40), noise]),
        ]
      ) {
        assert.throws(() => split([bytes]), SyntaxError);
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("ProtobufListSplitter takes a long item in small pieces in linear time", () => {
  const item = encode([[1, encodeMeta({ name: "a" })], [2, new Uint8Array(8 * 1024 * 1024)]]);
  const body = encodeList({}, [item]);
  const splitter = new ProtobufListSplitter();
  const items: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += 64) {
    items.push(...splitter.push(body.subarray(at, at + 64)));
  }
  splitter.end();
  assert.deepEqual(items.map(({ length }) => length), [item.length]);
});

Deno.test("ProtobufListSplitter throws a SyntaxError when an item has no bounds", () => {
  const body = encodeList({}, [new Uint8Array(17 * 1024 * 1024)]);
  assert.throws(() => new ProtobufListSplitter().push(body.subarray(0, 1_000)), SyntaxError);
});

Deno.test("ProtobufListSplitter takes the empty list of a real kube-apiserver", () => {
  const body = hex(
    "6b3873000a100a027631120a5365637265744c697374120b0a090a0012033231301a001a002200",
  );
  const { items, head } = split([body]);
  assert.deepEqual([items, head.kind, head.resourceVersion], [[], "SecretList", "210"]);
});

Deno.test("ProtobufListSplitter passes over fields that it does not know", () => {
  const meta = encode([[1, [[1, ""], [2, "7"], [3, ""], [9, 1]]], [2, "i"], [3, "x"], [4, 5]]);
  const { items } = split([envelope("v1", "PodList", meta)]);
  assert.equal(items.length, 1);
});

const PODS = encodeList({}, []);

Deno.test.each([
  { name: "nothing", body: new Uint8Array(0) },
  { name: "JSON", body: new TextEncoder().encode('{"kind":"PodList"}') },
  { name: "an object", body: envelope("v1", "Pod", encode([[1, encodeMeta({ name: "a" })]])) },
  { name: "a Status", body: envelope("v1", "Status", encode([[1, [[1, ""]]], [2, "Success"]])) },
  { name: "two lists", body: concatBytes([PODS, PODS]) },
  { name: "a list without metadata", body: envelope("v1", "PodList", encode([[2, "i"]])) },
  { name: "a list without a version of its API", body: envelope("", "PodList", encode([[1, ""]])) },
  {
    name: "a compressed list",
    body: concatBytes([
      hex("6b387300"),
      encode([[1, [[1, "v1"], [2, "PodList"]]], [2, [[1, ""]]], [3, "gzip"]]),
    ]),
  },
  {
    name: "two messages in one envelope",
    body: concatBytes([PODS.subarray(0, -4), encode([[2, [[1, ""]]]])]),
  },
  {
    name: "an item that ends behind its list",
    body: concatBytes([
      hex("6b387300"),
      encode([[1, [[1, "v1"], [2, "PodList"]]], [2, hex("0a001205")]]),
      hex("0102030405"),
    ]),
  },
  {
    name: "a list that ends within a length",
    body: concatBytes([
      hex("6b387300"),
      encode([[1, [[1, "v1"], [2, "PodList"]]], [2, hex("0a001285")]]),
      hex("0102030405"),
    ]),
  },
])("ProtobufListSplitter throws a SyntaxError when the body is $name", ({ body }) => {
  assert.throws(() => split([body]), SyntaxError);
});

Deno.test("formatListOpening() and formatListItem() write the very bytes that Go writes", () => {
  fc.assert(fc.property(list, ({ resourceVersion, token, items }) => {
    const parts = items.flatMap((item) => formatListItem(item));
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    const opening = formatListOpening(head(resourceVersion, token), size);
    assert.deepEqual(
      concatBytes([opening, ...parts, ENVELOPE_END]),
      encodeList({ resourceVersion, token }, items),
    );
  }));
  const { items, head: realHead } = split([REAL]);
  const item = concatBytes(formatListItem(items[0]!));
  const again = concatBytes([formatListOpening(realHead, item.length, 3), item, ENVELOPE_END]);
  assert.deepEqual(again, Uint8Array.from(REAL));
});
