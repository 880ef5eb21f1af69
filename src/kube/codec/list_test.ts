import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cutAt,
  cuts,
  FUZZ_RUNS,
  jsonKey,
  jsonValue,
  mutate,
  mutations,
  spaced,
  text,
  utf8,
} from "../../../tests/testing/arbitraries.ts";
import { formatListOpening, JsonListSplitter, LIST_CLOSING, type ListHead } from "./list.ts";
import { concatBytes } from "./json.ts";

interface Split {
  items: Uint8Array[];
  head: ListHead;
}

function split(chunks: readonly Uint8Array[]): Split {
  const splitter = new JsonListSplitter();
  const items = chunks.flatMap((chunk) => splitter.push(chunk));
  return { items, head: splitter.end() };
}

const splitText = (json: string) => split([utf8(json)]);

const PODS = '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}';

const item = fc.dictionary(jsonKey, jsonValue, { maxKeys: 3, noNullPrototype: true });

/** A list of any kind, its fields in any order, as an API server may write it. */
const list = fc.record({
  kind: fc.constantFrom("PodList", "Table"),
  resourceVersion: fc.stringMatching(/^[1-9][0-9]{0,20}$/),
  token: fc.option(fc.string(), { nil: undefined }),
  items: fc.oneof({ weight: 9, arbitrary: fc.array(item, { maxLength: 4 }) }, fc.constant(null)),
  extra: fc.dictionary(jsonKey.map((key) => `x-${key}`), jsonValue, {
    maxKeys: 2,
    noNullPrototype: true,
  }),
  order: fc.shuffledSubarray(["kind", "apiVersion", "metadata", "items", "extra"], {
    minLength: 5,
  }),
}).map(({ kind, resourceVersion, token, items, extra, order }) => {
  const fields: Record<string, Record<string, unknown>> = {
    kind: { kind },
    apiVersion: { apiVersion: "v1" },
    metadata: { metadata: { resourceVersion, ...(token !== undefined && { continue: token }) } },
    items: { [kind === "Table" ? "rows" : "items"]: items },
    extra,
  };
  const body = Object.assign({}, ...order.map((name) => fields[name])) as Record<string, unknown>;
  return { body, kind, resourceVersion, token, items: items ?? [], extra };
});

Deno.test("JsonListSplitter finds what JSON.parse finds wherever the body is cut", () => {
  fc.assert(
    fc.property(
      list,
      fc.constantFrom("", " ", "\t", "\n"),
      cuts,
      ({ body, kind, resourceVersion, token, items, extra }, space, fractions) => {
        const { items: got, head } = split(cutAt(utf8(spaced(body, space)), fractions));
        assert.deepEqual(got.map((bytes) => JSON.parse(text(bytes))), items);
        assert.deepEqual(head, {
          kind,
          apiVersion: "v1",
          resourceVersion,
          continue: token ?? "",
          ...(token !== undefined && { spellsContinue: true }),
          extra,
        });
      },
    ),
  );
});

Deno.test("JsonListSplitter finds the same at every single cut of a list with hard strings", () => {
  const body = utf8(spaced({
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: { resourceVersion: "12", remainingItemCount: 3, continue: "eyJ2\\" },
    columnDefinitions: [{ name: '"}]' }],
    rows: [{ a: '\\"' }, { b: ["}", { c: "é😀\u2028" }] }, {}],
  }, " "));
  const whole = split([body]);
  assert.equal(whole.items.length, 3);
  for (let at = 0; at <= body.length; at++) {
    assert.deepEqual(split([body.subarray(0, at), body.subarray(at)]), whole, `cut at ${at}`);
  }
  assert.deepEqual(split([...body].map((byte) => Uint8Array.of(byte))), whole);
});

Deno.test("end() throws a SyntaxError when anything of the list is missing", () => {
  fc.assert(
    fc.property(list, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (list, at) => {
      const bytes = utf8(JSON.stringify(list.body));
      const splitter = new JsonListSplitter();
      splitter.push(bytes.subarray(0, Math.floor(at * bytes.length)));
      assert.throws(() => splitter.end(), SyntaxError);
    }),
  );
});

Deno.test("JsonListSplitter gives a list or a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(list, mutations, cuts, ({ body }, changes, fractions) => {
      const bytes = mutate(utf8(JSON.stringify(body)), changes);
      let got: Split;
      try {
        got = split(cutAt(bytes, fractions));
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
        return;
      }
      assert.equal(typeof got.head.resourceVersion, "string");
      let oracle: Record<string, unknown>;
      try {
        oracle = JSON.parse(text(bytes));
      } catch {
        return; // Bodies of items are cut, not read: what is wrong inside one shows later.
      }
      const own = Object.hasOwn(oracle, "rows") ? oracle.rows : oracle.items;
      if (Object.hasOwn(oracle, "rows") && Object.hasOwn(oracle, "items")) return;
      if (bytes.join().split(utf8('"items"').join()).length > 2) return; // a doubled key
      assert.deepEqual(got.items.map((each) => JSON.parse(text(each))), own ?? []);
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("JsonListSplitter gives a list or a SyntaxError when the bytes are noise", () => {
  const noise = fc.array(
    fc.constantFrom("{", "}", "[", "]", ",", ":", '"', "\\", '"items"', '"metadata"', "1", " "),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(noise, (tokens) => {
      try {
        splitText(tokens.join(""));
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("JsonListSplitter takes a body that comes in ten thousand pieces in linear time", () => {
  const items = Array.from({ length: 20_000 }, (_, i) => `{"metadata":{"name":"p${i}"}}`);
  const body = utf8(PODS.replace("[]", `[${items}]`));
  const pieces = Array.from(
    { length: Math.ceil(body.length / 64) },
    (_, i) => body.subarray(i * 64, i * 64 + 64),
  );
  assert.ok(pieces.length > 8_000);
  assert.equal(split(pieces).items.length, 20_000);
});

Deno.test("JsonListSplitter takes a long item in small pieces in linear time", () => {
  const long = `{"metadata":{"name":"a"},"data":{"text":"${"\\\\}]{[".repeat(800_000)}"}}`;
  const body = utf8(PODS.replace("[]", `[${long},{}]`));
  const pieces = Array.from(
    { length: Math.ceil(body.length / 64) },
    (_, i) => body.subarray(i * 64, i * 64 + 64),
  );
  assert.deepEqual(split(pieces).items.map(({ length }) => length), [long.length, 2]);
});

Deno.test("JsonListSplitter throws a SyntaxError when an item never ends", () => {
  const splitter = new JsonListSplitter();
  splitter.push(utf8(PODS.split("]")[0]! + '{"a":"'));
  const megabyte = new Uint8Array(1024 * 1024).fill(0x20);
  assert.throws(() => {
    for (let i = 0; i < 17; i++) splitter.push(megabyte);
  }, SyntaxError);
});

Deno.test("JsonListSplitter takes the empty list of Go, which is null", () => {
  assert.deepEqual(splitText(PODS.replace("[]", "null")).items, []);
});

Deno.test("JsonListSplitter takes metadata behind the items, as custom resources write it", () => {
  const { items, head } = splitText(
    '{"apiVersion":"a/v1","items":[{"x":1}],"kind":"XList","metadata":{"continue":"","resourceVersion":"9"}}\n',
  );
  assert.equal(items.length, 1);
  assert.deepEqual(head, {
    kind: "XList",
    apiVersion: "a/v1",
    resourceVersion: "9",
    continue: "",
    spellsContinue: true,
    extra: {},
  });
});

Deno.test.each([
  { name: "nothing", body: "" },
  { name: "white space", body: " \n" },
  { name: "an array", body: "[]" },
  { name: "HTML", body: "<html></html>" },
  { name: "two lists", body: PODS + PODS },
  { name: "no items at all", body: PODS.replace(',"items":[]', "") },
  { name: "items that are an object", body: PODS.replace("[]", "{}") },
  { name: "items that are a number", body: PODS.replace("[]", "0") },
  { name: "an item that is no object", body: PODS.replace("[]", "[1]") },
  { name: "a comma behind the last item", body: PODS.replace("[]", "[{},]") },
  { name: "a comma behind the last field", body: PODS.replace("[]}", "[],}") },
  { name: "no comma between items", body: PODS.replace("[]", "[{}{}]") },
  { name: "no kind", body: PODS.replace('"kind":"PodList",', "") },
  { name: "no apiVersion", body: PODS.replace('"apiVersion":"v1",', "") },
  { name: "metadata that are a text", body: PODS.replace('{"resourceVersion":"7"}', '"x"') },
  { name: "bytes that are no UTF-8", body: PODS.replace("PodList", "\ud800") },
  { name: "a Status", body: '{"kind":"Status","apiVersion":"v1","metadata":{},"code":500}' },
])("JsonListSplitter throws a SyntaxError when the body is $name", ({ name, body }) => {
  const bytes = name.includes("UTF-8")
    ? concatBytes([utf8('{"kind":"'), Uint8Array.of(0xff), utf8(PODS.slice(9))])
    : utf8(body);
  assert.throws(() => split([bytes]), SyntaxError);
});

Deno.test("formatListOpening() is read back by JsonListSplitter", () => {
  fc.assert(fc.property(list, ({ kind, resourceVersion, token, items, extra }) => {
    const head: ListHead = {
      kind,
      apiVersion: "v1",
      resourceVersion,
      continue: token ?? "",
      ...(token !== undefined && { spellsContinue: true }),
      extra,
    };
    const bodies = utf8(items.map((each) => JSON.stringify(each)).join());
    const body = concatBytes([formatListOpening(head), bodies, LIST_CLOSING]);
    const got = split([body]);
    assert.deepEqual(got.head, head);
    assert.deepEqual(got.items.map((each) => JSON.parse(text(each))), items);
  }));
});

Deno.test.each([
  { token: "", spells: undefined, left: 3, want: '{"resourceVersion":"7"}' },
  { token: "", spells: true, left: 3, want: '{"resourceVersion":"7","continue":""}' },
  {
    token: "t",
    spells: undefined,
    left: undefined,
    want: '{"resourceVersion":"7","continue":"t"}',
  },
  {
    token: "t",
    spells: undefined,
    left: 3,
    want: '{"resourceVersion":"7","continue":"t","remainingItemCount":3}',
  },
])("formatListOpening() writes the metadata $want", ({ token, spells, left, want }) => {
  const head = {
    kind: "PodList",
    apiVersion: "v1",
    resourceVersion: "7",
    continue: token,
    spellsContinue: spells,
    extra: {},
  };
  assert.equal(
    text(formatListOpening(head, left)),
    `{"kind":"PodList","apiVersion":"v1","metadata":${want},"items":[`,
  );
});

Deno.test("JsonListSplitter.push() refuses a field beside the items that has no end", () => {
  const splitter = new JsonListSplitter();
  splitter.push(utf8('{"kind":"PodList","data":"'));
  const piece = new Uint8Array(64 * 1024).fill(0x61);
  assert.throws(() => {
    for (let i = 0; i < 64; i++) splitter.push(piece);
  }, SyntaxError);
});
