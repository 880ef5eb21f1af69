import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import { EventWindow, isNews, type WindowEvent } from "./event_window.ts";

const event = (version: number, foundGone = false, bytes = 10): WindowEvent => ({
  key: "a",
  type: foundGone ? "DELETED" : "MODIFIED",
  resourceVersion: String(version),
  foundGone,
  frame: utf8("x".repeat(bytes)),
});

function windowOf(events: WindowEvent[], limits: { maxEvents?: number; maxBytes?: number } = {}) {
  const window = new EventWindow({ maxEvents: 100, maxBytes: 10_000, ...limits }, "10");
  for (const each of events) window.push(each);
  return window;
}

/** Versions of what a watcher at `version` would be sent; undefined for 410. */
function sentTo(window: EventWindow, version: number): number[] | undefined {
  const position = window.locate(String(version));
  return position === undefined
    ? undefined
    : window.from(position)?.map(({ resourceVersion }) => Number(resourceVersion));
}

Deno.test.each([
  { name: "before the start", at: 9, want: undefined },
  { name: "at the start", at: 10, want: [11, 13, 13] },
  { name: "at an event", at: 11, want: [13, 13] },
  { name: "between events", at: 12, want: [13, 13] },
  { name: "at an event with one found gone", at: 13, want: [13] },
  { name: "behind all events", at: 14, want: [] },
])("locate() of a version $name gives $want", ({ at, want }) => {
  const window = windowOf([event(11), event(13), event(13, true)]);
  assert.deepEqual(sentTo(window, at), want);
});

Deno.test.each([
  { at: 13, covered: true },
  { at: 14, covered: false },
  { at: 19, covered: false },
  { at: 20, covered: true },
  { at: 21, covered: true },
])("covers() of $at is $covered when a relist led from 13 to 20", ({ at, covered }) => {
  const window = windowOf([event(11), event(13)]);
  window.noteRelist("13", "20");
  assert.equal(window.covers(String(at)), covered);
});

Deno.test("covers() refuses what lies before the oldest relists when there were many", () => {
  const window = windowOf([]);
  for (let i = 0; i < 100; i++) window.noteRelist(String(100 + i * 10), String(105 + i * 10));
  for (let version = 100; version < 1_095; version++) {
    const inGap = version % 10 > 0 && version % 10 < 5;
    if (inGap) assert.equal(window.covers(String(version)), false, String(version));
  }
  assert.equal(window.covers("1095"), true);
});

Deno.test("push() drops the oldest events when there are too many, and moves the start", () => {
  const window = windowOf([event(11), event(12), event(13)], { maxEvents: 2 });
  assert.equal(window.start, "11");
  assert.deepEqual(sentTo(window, 11), [12, 13]);
  assert.equal(sentTo(window, 10), undefined);
  assert.equal(window.from(0), undefined);
});

Deno.test("push() drops the oldest events when they are too large", () => {
  const window = windowOf([event(11, false, 60), event(12, false, 60), event(13, false, 30)], {
    maxBytes: 100,
  });
  assert.deepEqual(sentTo(window, 11), [12, 13]);
});

Deno.test("push() holds nothing when one event alone is too large, and the next fits again", () => {
  const window = windowOf([event(11), event(12, false, 200)], { maxBytes: 100 });
  assert.equal(sentTo(window, 11), undefined);
  assert.deepEqual(sentTo(window, 12), []);
  window.push(event(13));
  assert.deepEqual(sentTo(window, 12), [13]);
});

Deno.test("push() tells a watcher at the version of a dropped find to begin anew", () => {
  const window = windowOf([event(11), event(11, true), event(12)], { maxEvents: 1 });
  assert.equal(sentTo(window, 11), undefined);
  assert.deepEqual(sentTo(window, 12), []);
});

Deno.test("restart() forgets the past and begins a new epoch", () => {
  const window = windowOf([event(11), event(12)]);
  window.noteRelist("12", "20");
  const { end, epoch } = window;
  window.restart("5", "20");
  assert.equal(window.epoch, epoch + 1);
  assert.deepEqual([window.start, window.end, window.forgottenTo], ["5", end, "20"]);
  assert.deepEqual(sentTo(window, 15), []);
  assert.equal(sentTo(window, 4), undefined);
});

Deno.test("EventWindow sends exactly what is newer, or nothing at all", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ step: fc.nat(3), gone: fc.boolean() }), { maxLength: 40 }),
    fc.integer({ min: 1, max: 10 }),
    (steps, maxEvents) => {
      const window = new EventWindow({ maxEvents, maxBytes: 1_000_000 }, "10");
      const all: WindowEvent[] = [];
      let version = 10;
      for (const { step, gone } of steps) {
        version += gone ? 0 : step + 1;
        all.push(event(version, gone));
        window.push(all.at(-1)!);
      }
      for (let at = 9; at <= version + 1; at++) {
        const got = sentTo(window, at);
        // A find among events of its own version hides where its watchers stand: from the first on.
        const first = all.findIndex((each) => isNews(each, String(at)));
        const want = first < 0 ? [] : all.slice(first).map((each) => Number(each.resourceVersion));
        if (got !== undefined) assert.deepEqual(got, want);
        else assert.ok(at < 10 || want.length > 0, `nothing is missing at ${at}`);
      }
    },
  ));
});
