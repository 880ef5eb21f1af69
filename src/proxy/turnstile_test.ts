import assert from "node:assert/strict";
import type { Caller } from "./identity/identity.ts";
import { TooManyRequestsError, Turnstile } from "./turnstile.ts";

const KUBELET: Caller = { kind: "identity", name: "kubelet", key: "identity:kubelet" };
const bearer = (token: string): Caller => ({ kind: "bearer", token, key: `bearer:${token}` });
const MiB = 1024 * 1024;

/** Lets so many in; ends them when told to. */
function crowd(
  turnstile: Turnstile,
  count: number,
  callerOf: (i: number) => Caller,
  proven: boolean,
) {
  const end = new AbortController();
  for (let i = 0; i < count; i++) turnstile.enter(callerOf(i), proven, end.signal);
  return end;
}

const never = new AbortController().signal;

Deno.test("enter() lets in so many requests of a caller, and again when they have ended", () => {
  const turnstile = new Turnstile();
  const end = crowd(turnstile, 400, () => bearer("a"), true);
  assert.throws(() => turnstile.enter(bearer("a"), true, never), TooManyRequestsError);
  turnstile.enter(bearer("b"), true, never);
  end.abort();
  turnstile.enter(bearer("a"), true, never);
});

Deno.test("enter() counts all together whom nobody vouches for, and nobody else with them", () => {
  const turnstile = new Turnstile();
  crowd(turnstile, 100, (i) => bearer(`made-up-${i}`), false);
  const nobody: Caller = { kind: "anonymous", key: "anonymous" };
  for (const caller of [nobody, bearer("another")]) {
    assert.throws(() => turnstile.enter(caller, false, never), TooManyRequestsError);
  }
  turnstile.enter(bearer("a"), true, never);
});

Deno.test("enter() counts no identity", () => {
  crowd(new Turnstile(), 10_000, () => KUBELET, true);
});

Deno.test("hold() bounds what is held of a caller's requests, and gives it back", () => {
  const turnstile = new Turnstile();
  const end = new AbortController();
  for (let i = 0; i < 4; i++) turnstile.enter(bearer("a"), true, end.signal).hold(4 * MiB);
  const more = turnstile.enter(bearer("a"), true, never);
  assert.throws(() => more.hold(1), TooManyRequestsError);
  end.abort();
  more.hold(1);
});

Deno.test("ends() ends the visit once the answer was read, broken or given up", async () => {
  const stream = (start: (c: ReadableStreamDefaultController) => void) =>
    new Response(new ReadableStream({ start }));
  const answers: [Response, (sent: Response) => unknown][] = [
    [new Response(null, { status: 204 }), () => {}],
    [new Response("body"), (sent) => sent.text()],
    [stream((c) => c.error(new Error("broken"))), (sent) => assert.rejects(sent.text())],
    [stream(() => {}), (sent) => sent.body!.cancel()],
  ];
  for (const [answer, read] of answers) {
    const turnstile = new Turnstile();
    crowd(turnstile, 99, () => bearer("a"), false);
    const visit = turnstile.enter(bearer("a"), false, never);
    const sent = visit.ends(answer);
    if (answer.body !== null) assert.throws(() => turnstile.enter(bearer("a"), false, never));
    await read(sent);
    turnstile.enter(bearer("a"), false, never);
  }
});
