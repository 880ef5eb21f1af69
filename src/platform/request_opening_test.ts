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
import { readOpening } from "./request_opening.ts";

const decoder = new TextDecoder();

/** `http/1.1 <bytes>`, or `wait`. */
function read(bytes: Uint8Array): string {
  const opening = readOpening(bytes);
  return opening.kind === "wait" ? "wait" : `${opening.protocol} ${decoder.decode(opening.bytes)}`;
}

const EXEC = [
  "POST /api/v1/namespaces/a/pods/b/exec HTTP/1.1",
  "Host: x",
  "Connection: Upgrade",
  "Content-Length: 0",
  "Upgrade: SPDY/3.1",
  "",
  "",
].join("\r\n");

Deno.test("readOpening() takes an empty length out of a request to leave HTTP", () => {
  const want = EXEC.replace("Content-Length: 0\r\n", "");
  assert.equal(read(utf8(EXEC)), `http/1.1 ${want}`);
  assert.equal(read(utf8(`${EXEC}more`)), `http/1.1 ${want}more`);
  assert.equal(
    read(utf8(EXEC.replace("Content-Length: 0", "content-length:0 "))),
    `http/1.1 ${want}`,
  );
});

Deno.test.each([
  { name: "a GET", text: "GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n" },
  { name: "half a GET", text: "G" },
  { name: "what is no HTTP", text: "\u0016\u0003\u0001" },
  { name: "a body", text: EXEC.replace("Length: 0", "Length: 5") },
  { name: "two lengths", text: EXEC.replace("\r\nUpgrade", "\r\nContent-Length: 5\r\nUpgrade") },
  {
    name: "the same length twice",
    text: EXEC.replace("\r\nUpgrade", "\r\nContent-Length: 0\r\nUpgrade"),
  },
  {
    name: "a coding",
    text: EXEC.replace("\r\nUpgrade", "\r\nTransfer-Encoding: chunked\r\nUpgrade"),
  },
  {
    name: "a coding with a space",
    text: EXEC.replace("\r\nUpgrade", "\r\nTransfer-Encoding : x\r\nUpgrade"),
  },
  { name: "an ordinary POST", text: EXEC.replace("Upgrade: SPDY/3.1\r\n", "") },
  { name: "a header that only sounds so", text: EXEC.replace("\r\nUpgrade:", "\r\nX-Upgrade:") },
  { name: "a head without an end", text: `POST / HTTP/1.1\r\n${"a: b\r\n".repeat(12_000)}` },
])("readOpening() leaves $name as it is", ({ text }) => {
  assert.equal(read(utf8(text)), `http/1.1 ${text}`);
});

Deno.test.each(["P", "PO", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "POST / HTTP/1.1\r\nUpgrade: x\r\n"])(
  "readOpening() waits behind %j",
  (text) => assert.equal(read(utf8(text)), "wait"),
);

Deno.test("readOpening() knows the preface of HTTP/2", () => {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes";
  assert.equal(read(utf8(preface)), `h2 ${preface}`);
});

Deno.test("readOpening() says the same however the bytes are cut", () => {
  fc.assert(fc.property(cuts, (at) => {
    let held = new Uint8Array(0);
    for (const piece of cutAt(utf8(EXEC), at)) {
      held = Uint8Array.from([...held, ...piece]);
      if (held.length < EXEC.length) assert.equal(read(held), "wait");
    }
    assert.equal(read(held), read(utf8(EXEC)));
  }));
});

Deno.test("readOpening() takes out nothing but that line, whatever comes", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    mutations.map((changes) => mutate(utf8(EXEC), changes)),
  );
  fc.assert(
    fc.property(bytes, (any) => {
      const opening = readOpening(any);
      if (opening.kind === "wait") return;
      const [before, after] = [any, opening.bytes].map((each) => String.fromCharCode(...each));
      const line = /\r\ncontent-length:[ \t]*0[ \t]*(?=\r\n)/i;
      assert.ok(after === before || after === before!.replace(line, ""));
    }),
    { numRuns: FUZZ_RUNS },
  );
});
