/**
 * Measures how much of `src/` the tests without a cluster run, in the agents that they start from source
 * too, and fails below the threshold. Files that no test loads count in full.
 *
 * @module
 */

import { readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { codeOf, readProduction, ROOT } from "./arch/sources.ts";
import { formatTable } from "./scenarios/table.ts";

/** Lines that must be covered, per cent. */
const THRESHOLD = 90;

const PROFILE = join(ROOT, "coverage");

/** Lines of one file. */
interface Lines {
  readonly path: string;
  readonly covered: number;
  readonly total: number;
}

async function deno(...args: string[]): Promise<number> {
  const env = Deno.env.toObject();
  // A compiled agent tells nothing of the lines it ran.
  delete env.EDGE_AGENT_BINARY;
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { ...env, DENO_COVERAGE_DIR: PROFILE },
    clearEnv: true,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  return (await child.status).code;
}

function parseLcov(lcov: string): Lines[] {
  return lcov.split("end_of_record").flatMap((record) => {
    const file = /^SF:(.+)$/m.exec(record)?.[1];
    if (file === undefined) return [];
    const hits = [...record.matchAll(/^DA:\d+,(\d+)/gm)].map(([, count]) => Number(count));
    const covered = hits.filter((count) => count > 0).length;
    return [{ path: relative(ROOT, file), covered, total: hits.length }];
  });
}

/** Files with something to run that no test loaded, each with its lines of code. */
async function unloaded(loaded: ReadonlySet<string>): Promise<Lines[]> {
  const sources = await readProduction();
  return sources.filter(({ path }) => path.startsWith("src/") && !loaded.has(path))
    .map((source) => ({ path: source.path, code: codeOf(source) }))
    .filter(({ code }) => /\b(function|class|const|let)\b/.test(code))
    .map(({ path, code }) => ({
      path,
      covered: 0,
      total: code.split("\n").filter((line) => line.trim() !== "").length,
    }));
}

function percent({ covered, total }: { covered: number; total: number }): number {
  return total === 0 ? 100 : 100 * covered / total;
}

async function main(): Promise<number> {
  await rm(PROFILE, { recursive: true, force: true });
  const tests = await deno(
    ...[
      "test",
      "-A",
      "--parallel",
      "--no-check",
      `--coverage=${PROFILE}`,
      "--coverage-raw-data-only",
    ],
    ...["src", "tests/integration", "tests/e2e/cli_test.ts"],
  );
  const lcov = join(PROFILE, "lcov.info");
  const measured = await deno(
    ...["coverage", PROFILE, "--lcov", `--output=${lcov}`],
    ...[`--include=^file://${ROOT}/src/`, "--exclude=_test\\.ts$"],
  );
  if (measured !== 0) return 1;
  const loaded = parseLcov(await readFile(lcov, "utf8"));
  const missing = await unloaded(new Set(loaded.map(({ path }) => path)));
  const code = report([...loaded, ...missing]);
  if (tests !== 0) print("cover: tests failed, see above\n");
  return tests === 0 ? code : 1;
}

function report(files: readonly Lines[]): number {
  const sum = { covered: 0, total: 0 };
  for (const { covered, total } of files) {
    sum.covered += covered;
    sum.total += total;
  }
  const row = (path: string, lines: { covered: number; total: number }) => [
    ...[path, lines.covered, lines.total, percent(lines).toFixed(1)],
  ];
  const sorted = files.toSorted((a, b) => percent(a) - percent(b) || b.total - a.total);
  print(
    "\n" + formatTable([
      ["file", "covered", "lines", "%"],
      ...sorted.map((lines) => row(lines.path, lines)),
      row("total", sum),
    ]),
  );
  if (sum.total > 0 && percent(sum) >= THRESHOLD) return 0;
  print(
    `cover: ${percent(sum).toFixed(1)} % of the lines are covered, ${THRESHOLD} % are wanted\n`,
  );
  return 1;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exitCode = await main();
