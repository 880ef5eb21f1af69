import assert from "node:assert/strict";
import type { TestCase } from "./junit.ts";
import { countByScenario, isProven, scenarioOf } from "./tally.ts";

const test = (name: string, state: TestCase["state"] = "passed"): TestCase => ({
  file: "a_test.ts",
  name,
  state,
  seconds: 0.5,
});

Deno.test.each([
  { name: "S07 paging", want: "S07" },
  { name: "S07: paging", want: "S07" },
  { name: "S107 more", want: "S107" },
  { name: "S070x", want: undefined },
  { name: "about S07", want: undefined },
  { name: "SIGHUP reloads", want: undefined },
])("scenarioOf() reads $want from '$name'", ({ name, want }) => {
  assert.equal(scenarioOf(name), want);
});

Deno.test("countByScenario() counts what has an id", () => {
  const cases = [test("S02 a"), test("S01 a"), test("S01 b", "failed"), test("parse()")];
  assert.deepEqual([...countByScenario(cases, [])], [
    ["S01", { tests: 2, passed: 1, failed: 1, skipped: 0, seconds: 1 }],
    ["S02", { tests: 1, passed: 1, failed: 0, skipped: 0, seconds: 0.5 }],
  ]);
});

Deno.test("countByScenario() has a row for an id without a test when it was asked for", () => {
  const counts = countByScenario([test("S01 a"), test("S02 a")], ["S03", "S01", "S03"]);
  assert.deepEqual([...counts].map(([id, { tests }]) => [id, tests]), [["S01", 1], ["S03", 0]]);
});

Deno.test.each([
  { name: "all passed", cases: [test("S01 a"), test("S01 b")], want: true },
  { name: "one failed", cases: [test("S01 a"), test("S01 b", "failed")], want: false },
  { name: "one was skipped", cases: [test("S01 a"), test("S01 b", "skipped")], want: false },
  { name: "there is none", cases: [], want: false },
])("isProven() says $want when $name", ({ cases, want }) => {
  assert.equal(isProven(countByScenario(cases, ["S01"]).get("S01")!), want);
});
