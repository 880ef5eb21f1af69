import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { formatBytes, formatMs, Timeline, wrap } from "./timeline.ts";

function createTimeline(options: { isTerminal?: boolean; color?: boolean } = {}) {
  const clock = new FakeClock();
  const { isTerminal = false, color = false } = options;
  const abort = new AbortController();
  const printed = { text: "" };
  const timeline = new Timeline({
    clock,
    print: (text) => printed.text += text,
    isTerminal,
    color,
    signal: abort.signal,
  });
  return { timeline, clock, abort, printed };
}

Deno.test("Timeline step() prints the time and the outcome of a step that held", async () => {
  const { timeline, clock, printed } = createTimeline();
  await clock.advance(12_340);
  assert.equal(await timeline.step("listing", () => "40 pods"), true);
  assert.equal(printed.text, " 12.3 s  ✓ 40 pods\n");
  assert.deepEqual([timeline.held, timeline.failed], [1, 0]);
});

Deno.test("Timeline step() prints why a step did not hold, and goes on", async () => {
  const { timeline, printed } = createTimeline();
  const held = await timeline.step("listing", () => {
    throw new Error("no answer", { cause: new Error("timed out") });
  });
  assert.equal(held, false);
  assert.equal(printed.text, "  0.0 s  ✗ listing: no answer: timed out\n");
  assert.deepEqual([timeline.held, timeline.failed], [0, 1]);
});

Deno.test("Timeline step() tells once what is awaited when lines can't be rewritten", async () => {
  const { timeline, clock, printed } = createTimeline();
  const answer = Promise.withResolvers<string>();
  const step = timeline.step("the first answer", () => answer.promise);
  await clock.advance(900);
  assert.equal(printed.text, "");
  await clock.advance(3_000);
  assert.equal(printed.text, "  1.0 s  … the first answer\n");
  answer.resolve("there");
  await step;
  assert.match(printed.text, /\n {2}3\.9 s {2}✓ there\n$/);
  assert.equal(clock.pending, 0);
});

Deno.test("Timeline step() counts the seconds on a terminal and wipes the line at the end", async () => {
  const { timeline, clock, printed } = createTimeline({ isTerminal: true });
  const answer = Promise.withResolvers<string>();
  const step = timeline.step("the first answer", () => answer.promise);
  await clock.advance(1_250);
  const wiped = "\r\x1b[K";
  assert.ok(printed.text.endsWith(`${wiped}  1.2 s  … the first answer (1.2 s)`), printed.text);
  answer.resolve("there");
  await step;
  assert.ok(printed.text.endsWith(`${wiped}  1.3 s  ✓ there\n`), printed.text);
  assert.equal(clock.pending, 0);
});

Deno.test("Timeline step() tells nothing any more once interrupted", async () => {
  const { timeline, abort, printed } = createTimeline();
  const answer = Promise.withResolvers<string>();
  const step = timeline.step("the first answer", () => answer.promise);
  abort.abort(new Error("SIGINT"));
  answer.reject(new Error("hung up"));
  await assert.rejects(step, /SIGINT/);
  await assert.rejects(timeline.step("next", () => "never"), /SIGINT/);
  assert.equal(printed.text, "");
});

Deno.test("Timeline keeps within 80 columns", async () => {
  const { timeline, printed } = createTimeline();
  const long = "some words ".repeat(30).trim();
  timeline.title("title", long);
  await timeline.step("x", () => long);
  timeline.figure("figure", long);
  timeline.line(long);
  for (const line of printed.text.split("\n")) {
    assert.ok(line.length <= 80, `${line.length}: ${line}`);
  }
  assert.match(printed.text, /\n {11}some words/);
});

Deno.test("Timeline paints only when asked", async () => {
  const plain = createTimeline();
  const painted = createTimeline({ color: true });
  for (const { timeline } of [plain, painted]) {
    timeline.heading("chapter");
    await timeline.step("x", () => "y");
  }
  assert.ok(!plain.printed.text.includes("\x1b"));
  assert.ok(painted.printed.text.includes("\x1b[1mchapter\x1b[0m"));
  assert.ok(painted.printed.text.includes("\x1b[32m✓\x1b[0m y"));
});

Deno.test.each([
  { name: "short text", text: "a b", width: 10, want: ["a b"] },
  { name: "text at its width", text: "aaa bbb", width: 7, want: ["aaa bbb"] },
  { name: "text one too wide", text: "aaa bbb", width: 6, want: ["aaa", "bbb"] },
  { name: "a word that is too long", text: "a bbbbbbbb c", width: 4, want: ["a", "bbbbbbbb", "c"] },
])("wrap() breaks $name", ({ text, width, want }) => {
  assert.deepEqual(wrap(text, width), want);
});

Deno.test.each([[0.34, "0.3 ms"], [42.4, "42 ms"], [999, "999 ms"], [2_640, "2.6 s"]] as const)(
  "formatMs() shows %s as %s",
  (ms, want) => assert.equal(formatMs(ms), want),
);

Deno.test.each([[812, "812 B"], [60_040, "60.0 KB"], [1_240_000, "1.2 MB"]] as const)(
  "formatBytes() shows %s as %s",
  (bytes, want) => assert.equal(formatBytes(bytes), want),
);
