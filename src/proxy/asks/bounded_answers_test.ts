import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { KeptAnswers } from "../store/kept.ts";
import { BoundedAnswers } from "./bounded_answers.ts";

const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";
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

Deno.test("find() with an age gives nothing older, and nothing from the future", async () => {
  const { answers, clock } = setUp();
  answers.keep("identity:a", "q", answer("x"));
  const young = () => answers.find("identity:a", "q", null, 10_000) !== undefined;
  await clock.advance(10_000);
  assert.ok(young());
  await clock.advance(1);
  assert.ok(!young());
  clock.jump(-3_600_000);
  assert.ok(!young(), "a clock that was put back makes nothing young");
});

Deno.test("forget() forgets a question in every encoding, and no other", () => {
  const { answers } = setUp();
  answers.keep("identity:a", "q", answer("x"));
  answers.keep("identity:a", "q", answer("y", PROTOBUF_TYPE));
  answers.keep("identity:a", "other", answer("z"));
  answers.forget("identity:a", "q");
  assert.deepEqual([found(answers, "q"), found(answers, "other")], [undefined, "z"]);
});
