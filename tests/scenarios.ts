/**
 * Runs the tests whose names begin with the id of a scenario, and says which scenarios are proven.
 *
 * @module
 */

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseJunit, type TestCase } from "./scenarios/junit.ts";
import { formatTable } from "./scenarios/table.ts";
import { countByScenario, countTests, isProven } from "./scenarios/tally.ts";

const ROOT = join(import.meta.dirname!, "..");

const HELP = `Runs the tests of scenarios and prints one row per scenario.

Usage: deno task scenarios [S01 S02 ...]

Without ids: every scenario that has a test. Ends with 1 when a scenario has no test, or when one of its
tests failed or was skipped.
`;

/** Files that may hold the name of such a test: a text that begins with an id, or with a part of one. */
async function candidates(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["src", "tests"]) {
    for (const name of await readdir(join(ROOT, folder), { recursive: true })) {
      const path = join(ROOT, folder, name);
      // The tests of this runner hold ids that are no scenarios.
      if (!name.endsWith("_test.ts") || name.startsWith("scenarios/")) continue;
      if (/["'`]S(\d|\$\{)/.test(await readFile(path, "utf8"))) found.push(path);
    }
  }
  return found.sort();
}

interface FileRun {
  readonly cases: readonly TestCase[];
  /** Why the file's tests could not be counted. */
  readonly broken?: string;
}

/** A process for each file, so that none can end the run of another. */
async function runFile(path: string, pattern: RegExp, report: string): Promise<FileRun> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "-A", "--no-check", "--permit-no-files"],
      ...["--filter", String(pattern), "--junit-path", report, path],
    ],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const { code } = await child.status;
  try {
    const cases = parseJunit(await readFile(report, "utf8")).filter(({ name }) =>
      pattern.test(name)
    );
    if (code === 0 || cases.some(({ state }) => state === "failed")) return { cases };
    return { cases, broken: `ended with ${code} although no test failed` };
  } catch (error) {
    return {
      cases: [],
      broken: `ended with ${code} without a report: ${(error as Error).message}`,
    };
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print(HELP);
    return 0;
  }
  const stranger = args.find((arg) => !/^S\d{2,}$/.test(arg));
  if (stranger !== undefined) {
    print(`Not the id of a scenario: ${stranger}. Ids look like S07; see --help\n`);
    return 2;
  }
  const pattern = args.length > 0 ? new RegExp(`^(${args.join("|")})\\b`) : /^S\d{2,}\b/;
  const files = await candidates();
  const scratch = await mkdtemp(join(tmpdir(), "edge-agent-scenarios-"));
  const cases: TestCase[] = [];
  const broken: string[] = [];
  try {
    for (const [i, file] of files.entries()) {
      const name = relative(ROOT, file);
      print(`scenarios: file ${i + 1} of ${files.length}: ${name}\n`);
      const run = await runFile(file, pattern, join(scratch, `${i}.xml`));
      cases.push(...run.cases);
      if (run.broken !== undefined) broken.push(`${name} ${run.broken}`);
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
  return report(cases, broken, args);
}

function report(
  cases: readonly TestCase[],
  broken: readonly string[],
  asked: readonly string[],
): number {
  const counts = countByScenario(cases, asked);
  const total = countTests(cases);
  const rows = [...counts, ["total", total] as const].map(([id, count]) => [
    ...[id, count.tests, count.passed, count.failed, count.skipped, count.seconds.toFixed(1)],
    id === "total" ? "" : isProven(count) ? "proven" : count.tests === 0 ? "no test" : "not proven",
  ]);
  print(
    "\n" + formatTable([
      ["scenario", "tests", "passed", "failed", "skipped", "seconds", ""],
      ...rows,
    ]),
  );
  for (const line of broken) print(`${line}\n`);
  if (counts.size === 0) print("No test is named after a scenario.\n");
  const proven = counts.size > 0 && [...counts.values()].every(isProven);
  return proven && broken.length === 0 ? 0 : 1;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
