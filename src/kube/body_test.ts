import assert from "node:assert/strict";
import { utf8 } from "../../tests/testing/arbitraries.ts";
import { abortable, chunksOf, readBody } from "./body.ts";

const never = new AbortController().signal;

/** A body that hands over the chunks and then waits; notes whether it was cancelled. */
function waitingBody(chunks: string[]): { response: Response; cancelled: () => boolean } {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk !== undefined) controller.enqueue(utf8(chunk));
      else return new Promise(() => {});
    },
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { response: new Response(body), cancelled: () => cancelled };
}

Deno.test("chunksOf() yields nothing when there is no body", async () => {
  assert.deepEqual(await Array.fromAsync(chunksOf(new Response(null), never)), []);
});

Deno.test("chunksOf() throws the signal's reason when it aborts in the middle of a wait", async () => {
  const { response, cancelled } = waitingBody(["a"]);
  const stop = new AbortController();
  const chunks = chunksOf(response, stop.signal);
  assert.deepEqual((await chunks.next()).value, utf8("a"));
  const next = chunks.next();
  stop.abort(new Error("cut"));
  // A cancelled reader ends cleanly: that must not look like the end of the body.
  await assert.rejects(next, /cut/);
  assert.equal(cancelled(), true);
});

Deno.test("chunksOf() throws when its signal has aborted before", async () => {
  const { response } = waitingBody(["a"]);
  await assert.rejects(chunksOf(response, AbortSignal.abort(new Error("cut"))).next(), /cut/);
});

Deno.test("chunksOf() frees the connection when the consumer stops in the middle", async () => {
  const { response, cancelled } = waitingBody(["a", "b"]);
  for await (const _ of chunksOf(response, never)) break;
  assert.equal(cancelled(), true);
});

Deno.test("chunksOf() throws what broke the body", async () => {
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
  await assert.rejects(Array.fromAsync(chunksOf(new Response(body), never)), /reset/);
});

Deno.test("readBody() joins the chunks", async () => {
  const body = new Response(new Blob(["ab", "cd"]).stream());
  assert.deepEqual(await readBody(body, never, 4), utf8("abcd"));
});

Deno.test("readBody() throws a RangeError and stops when the body is too long", async () => {
  const { response, cancelled } = waitingBody(["ab", "cd"]);
  await assert.rejects(readBody(response, never, 3), RangeError);
  assert.equal(cancelled(), true);
});

Deno.test("abortable() settles as the promise does", async () => {
  assert.equal(await abortable(Promise.resolve(1), never), 1);
  await assert.rejects(abortable(Promise.reject(new Error("x")), never), /x/);
});

Deno.test("abortable() rejects with the reason when the signal aborts first", async () => {
  const stop = new AbortController();
  const call = abortable(new Promise(() => {}), stop.signal);
  stop.abort(new Error("cut"));
  await assert.rejects(call, /cut/);
});

Deno.test("abortable() rejects and swallows the later failure when the signal has aborted before", async () => {
  const failing = Promise.reject(new Error("late"));
  await assert.rejects(abortable(failing, AbortSignal.abort(new Error("cut"))), /cut/);
});
