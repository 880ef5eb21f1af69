import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cutAt,
  cuts,
  FUZZ_RUNS,
  mutate,
  mutations,
  utf8,
} from "../../tests/testing/arbitraries.ts";
import { MemoryStream } from "../../tests/testing/memory_stream.ts";
import { HttpReader } from "./http_reader.ts";

/** What a reader makes of the pieces of a connection that ends behind them. */
async function readAll(pieces: readonly Uint8Array[]) {
  const stream = new MemoryStream().say(...pieces.filter(({ length }) => length > 0), null);
  const reader = new HttpReader(stream);
  const head = await reader.head();
  if (head.status === 101) {
    return { status: head.status, body: new TextDecoder().decode(reader.rest), stream };
  }
  const body = reader.body(head) as ReadableStream<Uint8Array<ArrayBuffer>> | null;
  return { status: head.status, body: body && await new Response(body).text(), stream };
}

const head = (...lines: string[]) => ["HTTP/1.1 403 Forbidden", ...lines, "", ""].join("\r\n");

const ANSWERS = [
  { name: "a length", text: `${head("Content-Length: 5")}hello`, want: "hello" },
  { name: "a length and more", text: `${head("Content-Length: 5")}hello, world`, want: "hello" },
  { name: "no length", text: `${head()}hello`, want: "hello" },
  { name: "nothing", text: head("Content-Length: 0"), want: "" },
  {
    name: "chunks",
    text: `${
      head("Transfer-Encoding: chunked")
    }4;x=y\r\nhell\r\n01\r\no\r\n0\r\nTrailer: a\r\n\r\n`,
    want: "hello",
  },
  {
    name: "an interim answer",
    text: `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${head("Content-Length: 5")}hello`,
    want: "hello",
  },
];

Deno.test.each(ANSWERS)(
  "HttpReader reads a body of $name, cut anywhere",
  async ({ text, want }) => {
    await fc.assert(fc.asyncProperty(cuts, async (at) => {
      const { status, body, stream } = await readAll(cutAt(utf8(text), at));
      assert.deepEqual([status, body, stream.closed], [403, want, true]);
    }));
  },
);

Deno.test("HttpReader has the first bytes of the other protocol", async () => {
  const text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello";
  assert.deepEqual((await readAll([utf8(text)])).body, "hello");
});

Deno.test("HttpReader closes at once where there is no body", async () => {
  const { body, stream } = await readAll([utf8("HTTP/1.1 304 Not Modified\r\n\r\n")]);
  assert.deepEqual([body, stream.closed], [null, true]);
});

Deno.test.each([
  { name: "is cut in its head", text: "HTTP/1.1 403 Forb" },
  { name: "is cut in its body", text: `${head("Content-Length: 9")}hello` },
  { name: "is cut in a chunk", text: `${head("Transfer-Encoding: chunked")}9\r\nhello` },
  { name: "is cut between chunks", text: `${head("Transfer-Encoding: chunked")}5\r\nhello\r\n` },
  { name: "has two lengths", text: `${head("Content-Length: 5", "Content-Length: 6")}hello` },
  { name: "has a negative length", text: `${head("Content-Length: -5")}hello` },
  { name: "has an unknown coding", text: `${head("Transfer-Encoding: gzip, chunked")}0\r\n\r\n` },
  { name: "has a chunk without a size", text: `${head("Transfer-Encoding: chunked")}\r\nhello` },
  {
    name: "has a chunk that is longer",
    text: `${head("Transfer-Encoding: chunked")}2\r\nhello\r\n`,
  },
  { name: "has an endless head", text: `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(12_000)}` },
  {
    name: "has an endless chunk line",
    text: `${head("Transfer-Encoding: chunked")}${"0".repeat(9_999)}`,
  },
  {
    name: "has an endless trailer",
    text: `${head("Transfer-Encoding: chunked")}0\r\n${"a: b\r\n".repeat(2_000)}\r\n`,
  },
])("HttpReader throws when an answer $name", async ({ text }) => {
  await assert.rejects(readAll([utf8(text)]));
});

Deno.test("HttpReader ends for any bytes", async () => {
  const answer = fc.constantFrom(...ANSWERS).chain(({ text }) =>
    mutations.map((changes) => mutate(utf8(text), changes))
  );
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 60 }), answer);
  await fc.assert(
    fc.asyncProperty(bytes, cuts, async (any, at) => {
      await readAll(cutAt(any, at)).catch((error) => assert.ok(error instanceof Error));
    }),
    { numRuns: Math.ceil(FUZZ_RUNS / 4) },
  );
});
