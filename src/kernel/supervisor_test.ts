import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import type { Module } from "./module.ts";
import { aborted, supervise } from "./supervisor.ts";

/** A module whose start and disposal are scripted; every call is noted in `calls`. */
function scripted(
  name: string,
  calls: string[],
  script: {
    start?: (signal: AbortSignal) => Promise<void>;
    dispose?: () => Promise<void>;
  } = {},
): Module {
  return {
    name,
    start(signal) {
      calls.push(`start ${name}`);
      return script.start?.(signal) ?? Promise.resolve();
    },
    notReady: () => undefined,
    status: () => ({}),
    [Symbol.asyncDispose]() {
      calls.push(`dispose ${name}`);
      return script.dispose?.() ?? Promise.resolve();
    },
  };
}

const never = () => new Promise<void>(() => {});

Deno.test("supervise() starts in order and disposes in reverse order when its signal aborts", async () => {
  const clock = new FakeClock();
  const calls: string[] = [];
  const stop = new AbortController();
  const outcome = supervise([scripted("a", calls), scripted("b", calls)], stop.signal, {
    clock,
    graceMs: 1_000,
    events: {
      started: ({ name }) => calls.push(`started ${name}`),
      stopped: ({ name }) => calls.push(`stopped ${name}`),
    },
  });
  await clock.advance(0);
  assert.deepEqual(calls.splice(0), ["start a", "started a", "start b", "started b"]);
  stop.abort();
  assert.deepEqual(await outcome, { state: "stopped" });
  assert.deepEqual(calls, ["dispose b", "dispose a", "stopped b", "stopped a"]);
  assert.equal(clock.pending, 0);
});

Deno.test("supervise() aborts the modules' signal before it disposes any", async () => {
  const clock = new FakeClock();
  const seen: boolean[] = [];
  const stop = new AbortController();
  let given: AbortSignal | undefined;
  const module = scripted("a", [], {
    start: (signal) => {
      given = signal;
      return Promise.resolve();
    },
    dispose: () => {
      seen.push(given!.aborted);
      return Promise.resolve();
    },
  });
  const outcome = supervise([module], stop.signal, { clock, graceMs: 1_000 });
  await clock.advance(0);
  assert.equal(given?.aborted, false);
  stop.abort();
  await outcome;
  assert.deepEqual(seen, [true]);
});

Deno.test("supervise() disposes what runs and rethrows when a module fails to start", async () => {
  const calls: string[] = [];
  const failing = scripted("b", calls, { start: () => Promise.reject(new Error("port taken")) });
  await assert.rejects(
    supervise(
      [scripted("a", calls), failing, scripted("c", calls)],
      new AbortController().signal,
      { clock: new FakeClock(), graceMs: 1_000 },
    ),
    /port taken/,
  );
  assert.deepEqual(calls, ["start a", "start b", "dispose b", "dispose a"]);
});

Deno.test("supervise() names what is still busy when the grace has passed", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const outcome = supervise(
    [scripted("a", []), scripted("b", [], { dispose: never }), scripted("c", [])],
    stop.signal,
    { clock, graceMs: 1_000 },
  );
  await clock.advance(0);
  stop.abort();
  let done = false;
  outcome.then(() => done = true);
  await clock.advance(999);
  assert.equal(done, false);
  await clock.advance(1);
  assert.deepEqual(await outcome, { state: "forced", stuck: ["b"] });
});

Deno.test("supervise() names a module whose disposal failed", async () => {
  const clock = new FakeClock();
  const broken = scripted("a", [], { dispose: () => Promise.reject(new Error("EIO")) });
  const stop = new AbortController();
  const outcome = supervise([broken], stop.signal, { clock, graceMs: 1_000 });
  await clock.advance(0);
  stop.abort();
  assert.deepEqual(await outcome, { state: "forced", stuck: ["a"] });
});

Deno.test("supervise() starts nothing more when its signal aborts between two starts", async () => {
  const calls: string[] = [];
  const stop = new AbortController();
  const first = scripted("a", calls, {
    start: () => {
      stop.abort();
      return Promise.resolve();
    },
  });
  const outcome = await supervise([first, scripted("b", calls)], stop.signal, {
    clock: new FakeClock(),
    graceMs: 1_000,
  });
  assert.deepEqual(outcome, { state: "stopped" });
  assert.deepEqual(calls, ["start a", "dispose a"]);
});

Deno.test("supervise() tells a module that is still starting when its signal aborts", async () => {
  const clock = new FakeClock();
  const calls: string[] = [];
  const stop = new AbortController();
  const slow = scripted("a", calls, { start: (signal) => aborted(signal) });
  const outcome = supervise([slow, scripted("b", calls)], stop.signal, { clock, graceMs: 1_000 });
  await clock.advance(0);
  stop.abort();
  await clock.advance(2_000);
  assert.deepEqual(await Promise.race([outcome, Promise.resolve("still starting")]), {
    state: "stopped",
  });
  assert.deepEqual(calls, ["start a", "dispose a"]);
});

Deno.test("supervise() stops without an error when a start gives up because its signal aborts", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const slow = scripted("a", [], {
    start: async (signal) => {
      await aborted(signal);
      signal.throwIfAborted();
    },
  });
  const outcome = supervise([slow], stop.signal, { clock, graceMs: 1_000 });
  await clock.advance(0);
  stop.abort();
  assert.deepEqual(await outcome, { state: "stopped" });
});

Deno.test("aborted() resolves at once when the signal has aborted already", async () => {
  await aborted(AbortSignal.abort());
});
