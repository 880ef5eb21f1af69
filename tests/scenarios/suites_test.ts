import assert from "node:assert/strict";
import type { TestCase } from "./junit.ts";
import { judge, type Suite } from "./suites.ts";

const test = (state: TestCase["state"]): TestCase => ({ file: "f", name: "n", state, seconds: 1 });
const suite = (rest: Partial<Suite>): Suite => ({
  name: "unit",
  kind: "tests",
  exitCode: 0,
  seconds: 2,
  ...rest,
});

Deno.test.each([
  { name: "a passed step", suite: suite({ kind: "step" }), want: [1, 0, 0, ""] },
  {
    name: "a failed step",
    suite: suite({ kind: "step", exitCode: 1 }),
    want: [0, 1, 0, "ended with 1"],
  },
  {
    name: "a step without end",
    suite: suite({ kind: "step", exitCode: 124 }),
    want: [0, 1, 0, "ran out of time"],
  },
  {
    name: "tests that passed",
    suite: suite({ cases: [test("passed"), test("skipped")] }),
    want: [1, 0, 1, ""],
  },
  {
    name: "tests that failed",
    suite: suite({ exitCode: 1, cases: [test("passed"), test("failed"), test("failed")] }),
    want: [1, 2, 0, ""],
  },
  {
    name: "a broken module beside passed tests",
    suite: suite({ exitCode: 1, cases: [test("passed")] }),
    want: [1, 1, 0, "ended with 1, though no test failed"],
  },
  { name: "a suite without tests", suite: suite({ cases: [] }), want: [0, 1, 0, "no test ran"] },
  {
    name: "a suite without report",
    suite: suite({ exitCode: 137 }),
    want: [0, 1, 0, "ran out of time, no report"],
  },
])("judge() counts $name", ({ suite, want }) => {
  const { tests, passed, failed, skipped, remark } = judge(suite);
  assert.deepEqual([passed, failed, skipped, remark], want);
  assert.equal(tests, passed + failed + skipped);
});
