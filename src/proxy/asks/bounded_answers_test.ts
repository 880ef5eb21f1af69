import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { KeptAnswers } from "../store/kept.ts";
import { BoundedAnswers } from "./bounded_answers.ts";

const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";
const YEAR_MS = 365 * 24 * 3_600_000;
const LIMITS = { maxCount: 3, maxAgeMs: 60_000 };

function setUp() {
  const clock = new FakeClock();
  const kept = new KeptAnswers(new MemoryStore().asStateStore(), clock);
  const open = () => new BoundedAnswers("token", kept, clock, LIMITS);
  return { clock, kept, open, answers: open() };
}

const answer = (body: string, type = JSON_TYPE) => ({
  status: 201,
  headers: { "content-type": type },
  body: utf8(body),
});

const found = (answers: BoundedAnswers, question: string, accept: string | null = null) => {
  const kept = answers.find("identity:a", question, accept);
  return kept && text(kept.body);
};

Deno.test("keep() keeps the last answer per caller, question and encoding", () => {
  const { answers } = setUp();
  answers.keep("identity:a", "q", answer("old"));
  answers.keep("identity:a", "q", answer("new"));
  answers.keep("identity:a", "q", answer("binary", PROTOBUF_TYPE));
  answers.keep("identity:b", "q", answer("another's"));
  assert.equal(found(answers, "q", JSON_TYPE), "new");
  assert.equal(found(answers, "q", `${PROTOBUF_TYPE},${JSON_TYPE}`), "binary");
  assert.equal(found(answers, "q", "text/plain"), undefined);
  assert.equal(found(answers, "other"), undefined);
});

Deno.test("keep() writes the question nowhere", () => {
  const { answers, kept } = setUp();
  answers.keep("identity:a", "secret-token", answer("x"));
  const [key = ""] = kept.keys("");
  assert.match(key, /^token\nidentity:a\n[0-9a-f]{64}\napplication\/json$/);
});

Deno.test("keep() forgets the least recently given, over a restart too", async () => {
  const { answers, open, clock } = setUp();
  for (const question of ["a", "b", "c"]) {
    answers.keep("identity:a", question, answer(question));
    await clock.advance(1_000);
  }
  answers.keep("identity:a", "a", answer("a again"));
  await clock.advance(1_000);
  const later = open();
  later.keep("identity:a", "d", answer("d"));
  const all = ["a", "b", "c", "d"].map((question) => found(later, question));
  assert.deepEqual(all, ["a again", undefined, "c", "d"]);
});

Deno.test("keep() forgets what is too old, and an outage forgets nothing", async () => {
  const { answers, clock } = setUp();
  answers.keep("identity:a", "q", answer("x"));
  await clock.advance(LIMITS.maxAgeMs + 1);
  assert.equal(found(answers, "q"), "x");
  answers.keep("identity:a", "other", answer("y"));
  assert.equal(found(answers, "q"), undefined);
});

Deno.test("find() with an age gives nothing older, whatever the wall clock does", async () => {
  const { answers, clock } = setUp();
  answers.keep("identity:a", "q", answer("x"));
  const young = () => answers.find("identity:a", "q", null, 10_000) !== undefined;
  clock.jump(5 * YEAR_MS);
  await clock.advance(10_000);
  assert.ok(young());
  clock.jump(-10 * YEAR_MS);
  assert.ok(young());
  await clock.advance(1);
  assert.ok(!young());
});

Deno.test("find() with an age gives nothing of a former process whose age is not known", async () => {
  const { answers, open, clock } = setUp();
  answers.keep("identity:a", "q", answer("x"));
  await clock.advance(5_000);
  const young = () => open().find("identity:a", "q", null, 10_000) !== undefined;
  assert.ok(young());
  clock.jump(-YEAR_MS);
  assert.ok(!young(), "from the future");
  clock.jump(2 * YEAR_MS);
  assert.ok(!young(), "of last year");
  assert.equal(found(open(), "q"), "x");
});

Deno.test("keep() does not take what was given before the clock was set for old", async () => {
  const { answers, open, clock } = setUp();
  clock.jump(-clock.now());
  answers.keep("identity:a", "q", answer("x"));
  clock.jump(56 * YEAR_MS);
  answers.keep("identity:a", "r", answer("y"));
  assert.equal(found(answers, "q"), "x");
  const later = open();
  await clock.advance(1_000);
  later.keep("identity:a", "s", answer("z"));
  assert.equal(found(later, "q"), "x");
});

Deno.test("forget() forgets a question in every encoding, and no other", () => {
  const { answers } = setUp();
  answers.keep("identity:a", "q", answer("x"));
  answers.keep("identity:a", "q", answer("y", PROTOBUF_TYPE));
  answers.keep("identity:a", "other", answer("z"));
  answers.forget("identity:a", "q");
  assert.deepEqual([found(answers, "q"), found(answers, "other")], [undefined, "z"]);
});

Deno.test("keep() lets no caller push out what is kept for the node itself", () => {
  const { answers } = setUp();
  answers.keep("identity:a", "mine", answer("mine"));
  for (let i = 0; i < 20; i++) answers.keep("serviceaccount:ns:a", `q${i}`, answer("x"));
  assert.equal(found(answers, "mine"), "mine");
});

Deno.test("keep() does not keep what is very long, nor what it takes the place of", () => {
  const { answers } = setUp();
  answers.keep("identity:a", "q", answer("short"));
  answers.keep("identity:a", "q", answer("x".repeat(65 * 1024)));
  assert.equal(found(answers, "q"), undefined);
});
