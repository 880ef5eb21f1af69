import fc from "fast-check";

/** Runs of a byte-level property: some seconds by default, minutes in the nightly run (`FUZZ_RUNS`). */
export const FUZZ_RUNS: number = Number(Deno.env.get("FUZZ_RUNS") ?? 10_000);

const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/**
 * Keys of JSON objects without backslash and quote: V8's `JSON.parse`, the oracle, corrupts some escaped
 * ones (nodejs/node#63785). And not `__proto__`, which an object literal takes for something else.
 */
export const jsonKey: fc.Arbitrary<string> = fc.string({ maxLength: 6 })
  .map((key) => key.replaceAll(/["\\]/g, "_")).filter((key) => key !== "__proto__");

/** Any JSON value, with every escape in its strings. */
export const jsonValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, 0, -1.5e-7, "", 'a"b\\c}]{[,:', "\u0000\u2028é😀"),
    fc.string({ unit: "grapheme", maxLength: 8 }),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(jsonKey, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

/** A DNS label. */
export const label: fc.Arbitrary<string> = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?$/);

/** Cuts bytes at the given fractions (0 to 1 exclusive) of their length. */
export function cutAt(bytes: Uint8Array, fractions: readonly number[]): Uint8Array[] {
  const cuts = fractions.map((f) => Math.floor(f * (bytes.length + 1))).sort((a, b) => a - b);
  const starts = [0, ...cuts];
  return starts.map((start, i) => bytes.subarray(start, starts[i + 1] ?? bytes.length));
}

/** Places to cut a body, as fractions for {@linkcode cutAt}. */
export const cuts: fc.Arbitrary<number[]> = fc.array(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  { maxLength: 5 },
);

/** JSON text of a value with random white space between its tokens. */
export function spaced(value: unknown, space: string): string {
  return JSON.stringify(value, null, space);
}

/** A mutated text: bytes changed, dropped, doubled and inserted. */
export function mutate(
  bytes: Uint8Array,
  changes: readonly { at: number; kind: number; byte: number }[],
): Uint8Array {
  const out = [...bytes];
  for (const { at, kind, byte } of changes) {
    const index = Math.floor(at * (out.length + 1));
    switch (kind % 4) {
      case 0:
        out[index] = byte;
        break;
      case 1:
        out.splice(index, 1);
        break;
      case 2:
        out.splice(index, 0, byte);
        break;
      default:
        out.length = Math.min(out.length, index);
    }
  }
  return Uint8Array.from(out, (byte) => byte ?? 0x20);
}

/** Changes for {@linkcode mutate}; bytes that mean something in JSON come up often. */
export const mutations: fc.Arbitrary<{ at: number; kind: number; byte: number }[]> = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    kind: fc.nat(3),
    byte: fc.oneof(
      fc.constantFrom(...'{}[]",:\\ 0nt'.split("").map((char) => char.charCodeAt(0))),
      fc.nat(255),
    ),
  }),
  { maxLength: 4 },
);
