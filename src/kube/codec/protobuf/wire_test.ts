import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations, utf8 } from "../../../../tests/testing/arbitraries.ts";
import { anyFields, encode } from "../../../../tests/testing/protobuf.ts";
import {
  FIXED32,
  FIXED64,
  formatField,
  formatHeader,
  formatNumber,
  formatText,
  formatVarint,
  LEN,
  MessageReader,
  parseTag,
  VARINT,
  VarintReader,
} from "./wire.ts";

/** Every field of a message: its number and its value, as {@linkcode encode} takes them. */
function read(bytes: Uint8Array): [number, number | Uint8Array][] {
  const reader = new MessageReader(bytes);
  const fields: [number, number | Uint8Array][] = [];
  while (reader.next()) {
    fields.push([reader.field, reader.wire === VARINT ? reader.value : reader.bytes().slice()]);
  }
  return fields;
}

Deno.test("MessageReader finds the fields that an encoder wrote", () => {
  fc.assert(fc.property(anyFields, (fields) => {
    const want = fields.map(([field, value]) => {
      // Bytes of a varint above 2^53 are not numbers that JavaScript can hold.
      if (typeof value === "number") return [field, value < 0 ? 2 ** 64 : value];
      return [
        field,
        typeof value === "string" ? utf8(value) : Uint8Array.from(value as Uint8Array),
      ];
    });
    assert.deepEqual(read(encode(fields)), want);
  }));
});

Deno.test("MessageReader steps over numbers of fixed length", () => {
  const bytes = Uint8Array.from([
    ...formatVarint(5 * 8 + FIXED32),
    ...[1, 2, 3, 4],
    ...formatVarint(6 * 8 + FIXED64),
    ...[1, 2, 3, 4, 5, 6, 7, 8],
    ...formatNumber(7, 300),
  ]);
  assert.deepEqual(read(bytes).map(([field]) => field), [5, 6, 7]);
});

Deno.test("MessageReader reads a message or throws a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(anyFields, mutations, (fields, changes) => {
      const bytes = mutate(encode(fields), changes);
      try {
        for (const [field] of read(bytes)) assert.ok(field >= 1 && field < 2 ** 29);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test.each([
  { name: "field 0", bytes: [0x02, 0x00] },
  { name: "a group", bytes: [0x0b, 0x0c] },
  { name: "wire type 6", bytes: [0x0e] },
  { name: "wire type 7", bytes: [0x0f] },
  { name: "a tag that ends too early", bytes: [0x8a] },
  { name: "a varint of eleven bytes", bytes: [0x08, ...Array(11).fill(0x80), 0x01] },
  { name: "a text that ends too early", bytes: [0x0a, 0x02, 0x61] },
  { name: "a length without end", bytes: [0x0a, 0xff] },
  { name: "a length above everything", bytes: [0x0a, ...Array(9).fill(0xff), 0x01] },
  { name: "a fixed number that ends too early", bytes: [0x0d, 0x00, 0x00, 0x00] },
  { name: "a field number above 2^29", bytes: [0x82, 0x80, 0x80, 0x80, 0x10, 0x00] },
])("MessageReader throws a SyntaxError on $name", ({ bytes }) => {
  assert.throws(() => read(Uint8Array.from(bytes)), SyntaxError);
});

Deno.test("text() throws a SyntaxError when a text is not UTF-8", () => {
  const reader = new MessageReader(formatField(1, Uint8Array.of(0xff)));
  assert.ok(reader.next());
  assert.throws(() => reader.text(), SyntaxError);
});

Deno.test("VarintReader reads byte by byte what formatVarint() wrote", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    const bytes = formatVarint(value);
    const reader = new VarintReader();
    for (const byte of bytes.subarray(0, -1)) {
      assert.equal(reader.push(byte), undefined);
      assert.ok(reader.isOpen);
    }
    assert.equal(reader.push(bytes.at(-1)!), value);
    assert.ok(!reader.isOpen);
  }));
});

Deno.test("VarintReader throws a SyntaxError when a number never ends", () => {
  const reader = new VarintReader();
  assert.throws(() => {
    for (let i = 0; i < 11; i++) reader.push(0x80);
  }, SyntaxError);
});

Deno.test("formatText(), formatNumber() and formatHeader() write what an encoder writes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 29 - 1 }),
      fc.string(),
      fc.maxSafeNat(),
      (field, text, number) => {
        assert.deepEqual(formatText(field, text), encode([[field, text]]));
        assert.deepEqual(formatNumber(field, number), encode([[field, number]]));
        const length = new TextEncoder().encode(text).length;
        assert.deepEqual(
          formatHeader(field, length),
          formatText(field, text).subarray(0, formatText(field, text).length - length),
        );
      },
    ),
  );
});

Deno.test("parseTag() knows the four layouts that Kubernetes uses", () => {
  assert.deepEqual([8, 9, 10, 13].map((tag) => parseTag(tag).wire), [
    VARINT,
    FIXED64,
    LEN,
    FIXED32,
  ]);
});
