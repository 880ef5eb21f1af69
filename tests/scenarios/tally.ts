/**
 * Counts tests, by scenario and in all.
 *
 * @module
 */

import type { TestCase } from "./junit.ts";

/** How many tests ended how. */
export interface Count {
  tests: number;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
}

/** The id at the beginning of a test's name: "S07" of "S07 paging works offline". */
export function scenarioOf(name: string): string | undefined {
  return /^S\d{2,}\b/.exec(name)?.[0];
}

/** Adds tests up. */
export function countTests(cases: readonly TestCase[]): Count {
  const count: Count = { tests: 0, passed: 0, failed: 0, skipped: 0, seconds: 0 };
  for (const { state, seconds } of cases) {
    count.tests++;
    count[state]++;
    count.seconds += seconds;
  }
  return count;
}

/** One count per scenario, in order: those that were asked for, or all that have a test. */
export function countByScenario(
  cases: readonly TestCase[],
  asked: readonly string[],
): Map<string, Count> {
  const groups = Map.groupBy(cases, ({ name }) => scenarioOf(name) ?? "");
  groups.delete("");
  const ids = asked.length > 0 ? [...new Set(asked)] : [...groups.keys()];
  return new Map(ids.sort().map((id) => [id, countTests(groups.get(id) ?? [])]));
}

/** Whether a scenario is proven: it has tests, and every one of them ran and passed. */
export function isProven({ tests, passed }: Count): boolean {
  return tests > 0 && passed === tests;
}
