import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { LastAlive } from "./last_alive.ts";
import { Link } from "./link.ts";

/** The kept answers of several processes, as far as the note goes. */
class Notes {
  readonly #at = new Map<string, number>();
  get(key: string) {
    const atMs = this.#at.get(key);
    return atMs === undefined
      ? undefined
      : { atMs, status: 204, headers: {}, body: new Uint8Array(0), resourceVersion: "" };
  }
  keep(key: string, _answer: unknown, _version: string, atMs: number) {
    this.#at.set(key, atMs);
  }
  forget(key: string) {
    this.#at.delete(key);
  }
}

function startProcess(clock: FakeClock, notes: Notes, writtenAtMs?: number) {
  const results: ("answered" | "silent")[] = [];
  const link = new Link(clock, () =>
    Promise.resolve(
      results.shift() === "answered"
        ? { result: "answered", roundTripMs: 1 }
        : { result: "silent", cause: "test" },
    ), () => 0);
  // deno-lint-ignore no-explicit-any -- a model of the part that is used
  const lastAlive = new LastAlive(link, notes as any, writtenAtMs);
  return { link, lastAlive };
}

Deno.test("LastAlive.atMs is unknown before the cloud was ever heard", () => {
  const { lastAlive } = startProcess(new FakeClock(), new Notes());
  assert.equal(lastAlive.atMs, undefined);
  lastAlive[Symbol.dispose]();
});

Deno.test("LastAlive.atMs survives a stop, also a second one in the same outage", async () => {
  const clock = new FakeClock();
  const notes = new Notes();
  const first = startProcess(clock, notes);
  await clock.advance(1_000);
  first.link.alive();
  const heardAt = clock.now();
  await clock.advance(60_000);
  first.lastAlive[Symbol.dispose]();
  for (let restart = 0; restart < 2; restart++) {
    await clock.advance(60_000);
    // The stop itself wrote to the state: its time must not count.
    const next = startProcess(clock, notes, clock.now());
    assert.equal(next.lastAlive.atMs, heardAt);
    next.lastAlive[Symbol.dispose]();
  }
});

Deno.test("LastAlive.atMs after a crash is the time of the last write", async () => {
  const clock = new FakeClock();
  const notes = new Notes();
  const first = startProcess(clock, notes);
  first.link.alive();
  await clock.advance(5_000);
  assert.equal(startProcess(clock, notes, 4_321).lastAlive.atMs, 4_321);
});
