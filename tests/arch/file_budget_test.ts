import assert from "node:assert/strict";
import { readSources } from "./sources.ts";

/** Lines that a file of the product may have. */
const BUDGET = 250;

/** Longer ones, and why each is better in one piece. */
const LONGER: Readonly<Record<string, string>> = {};

async function lengths(): Promise<Map<string, number>> {
  const sources = await readSources(/^(main\.ts|(src|dist)\/.*\.ts)$/);
  assert.ok(sources.length > 0);
  return new Map(
    sources.filter(({ path }) => !path.endsWith("_test.ts"))
      .map(({ path, text }) => [path, text.trimEnd().split("\n").length]),
  );
}

Deno.test(`production files have at most ${BUDGET} lines`, async () => {
  const long = [...await lengths()].filter(([path, lines]) => lines > BUDGET && !(path in LONGER));
  assert.deepEqual(long.map(([path, lines]) => `${path}: ${lines} lines`), []);
});

Deno.test("every file that may be longer is", async () => {
  const all = await lengths();
  const needless = Object.keys(LONGER).filter((path) => (all.get(path) ?? 0) <= BUDGET);
  assert.deepEqual(needless, []);
});
