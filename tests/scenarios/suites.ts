/**
 * Sums up the suites that `.ci/run` ran: a table, the scenarios among the tests, what was skipped, and
 * one last line with the totals. Ends with 1 unless every suite ran and passed.
 *
 * Argument: a folder with `suites.tsv` (name, exit code, seconds, and "tests" or "step" per line) and,
 * for each suite of tests, its JUnit report `<name>.xml`.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseJunit, type TestCase } from "./junit.ts";
import { formatTable } from "./table.ts";
import { type Count, countByScenario, countTests } from "./tally.ts";

/** One suite as it ended. */
export interface Suite {
  readonly name: string;
  readonly exitCode: number;
  readonly seconds: number;
  /** What its report holds; undefined for a step that is no run of tests, or when there is no report. */
  readonly cases?: readonly TestCase[];
  readonly kind: "tests" | "step";
}

/** What a suite adds to the totals, and a remark where the numbers alone would mislead. */
export interface Verdict extends Count {
  readonly remark: string;
}

/** A step counts as one test. So does whatever broke a suite without any test to blame. */
export function judge(suite: Suite): Verdict {
  const { kind, exitCode, seconds, cases } = suite;
  // What `timeout` answers.
  const how = exitCode === 124 || exitCode === 137 ? "ran out of time" : `ended with ${exitCode}`;
  if (kind === "step") {
    const failed = exitCode === 0 ? 0 : 1;
    const remark = failed ? how : "";
    return { tests: 1, passed: 1 - failed, failed, skipped: 0, seconds, remark };
  }
  const count = { ...countTests(cases ?? []), seconds };
  const blameless = count.failed === 0;
  const remark = cases === undefined
    ? `${how}, no report`
    : count.tests === 0
    ? "no test ran"
    : exitCode !== 0 && blameless
    ? `${how}, though no test failed`
    : "";
  if (remark === "" || !blameless) return { ...count, remark };
  return { ...count, tests: count.tests + 1, failed: 1, remark };
}

async function readSuites(folder: string): Promise<Suite[]> {
  const lines = (await readFile(join(folder, "suites.tsv"), "utf8")).trim().split("\n");
  return await Promise.all(lines.map(async (line) => {
    const [name, exitCode, seconds, kind] = line.split("\t") as [string, string, string, string];
    const read = async () => parseJunit(await readFile(join(folder, `${name}.xml`), "utf8"));
    return {
      name,
      exitCode: Number(exitCode),
      seconds: Number(seconds),
      kind: kind === "tests" ? "tests" : "step",
      cases: kind === "tests" ? await read().catch(() => undefined) : undefined,
    };
  }));
}

function rowsOf(counts: Iterable<readonly [string, Count & { remark?: string }]>) {
  return [...counts].map(([name, { passed, failed, skipped, seconds, remark = "" }]) => [
    ...[name, passed, failed, skipped, seconds.toFixed(1)],
    remark,
  ]);
}

async function main(folder: string): Promise<number> {
  const suites = await readSuites(folder);
  const verdicts = suites.map((suite) => [suite.name, judge(suite)] as const);
  const cases = suites.flatMap((suite) => suite.cases ?? []);
  print(
    "\n" + formatTable([["suite", "passed", "failed", "skipped", "seconds"], ...rowsOf(verdicts)]),
  );
  const scenarios = countByScenario(cases, []);
  if (scenarios.size > 0) {
    print(
      "\n" + formatTable([
        ["scenario", "passed", "failed", "skipped", "seconds"],
        ...rowsOf(scenarios),
      ]),
    );
  }
  const skipped = cases.filter(({ state }) => state === "skipped");
  if (skipped.length > 0) print("\nSkipped (each suite's log says why):\n");
  for (const { file, name } of skipped) print(`  ${file}: ${name}\n`);
  const sum = (key: "passed" | "failed" | "skipped") =>
    verdicts.reduce((total, [, verdict]) => total + verdict[key], 0);
  print(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped\n`);
  return sum("failed") === 0 && suites.length > 0 ? 0 : 1;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exitCode = await main(Deno.args[0]!);
