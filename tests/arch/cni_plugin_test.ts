import assert from "node:assert/strict";
import { dirname, join } from "node:path/posix";
import { importsOf, readProduction } from "./sources.ts";

/** What `main.ts` loads when a container runtime calls: every pod waits for it. */
const ENTRY = "src/cli/cni_plugin.ts";

/** Longest that all of it may be together, bytes of source. */
const BUDGET_BYTES = 120_000;

async function loadedFiles(): Promise<{ files: Map<string, string>; packages: string[] }> {
  const sources = new Map((await readProduction()).map((source) => [source.path, source]));
  const files = new Map<string, string>();
  const packages: string[] = [];
  const visit = (path: string) => {
    if (files.has(path)) return;
    const source = sources.get(path);
    assert.ok(source, path);
    files.set(path, source.text);
    for (const { specifier, typeOnly } of importsOf(source)) {
      if (typeOnly) continue;
      if (specifier.startsWith(".")) visit(join(dirname(path), specifier));
      else packages.push(`${path}: ${specifier}`);
    }
  };
  visit(ENTRY);
  return { files, packages };
}

Deno.test("the CNI plugin loads no package, and none of the agent's weight", async () => {
  const { files, packages } = await loadedFiles();
  const allowed = /: node:(path\/posix|timers)$/;
  assert.deepEqual(packages.filter((name) => !allowed.test(name)), []);
  const elsewhere = [...files.keys()].filter((path) =>
    path !== ENTRY && !/^src\/(kernel|platform|snapshot\/ipam)\//.test(path)
  );
  assert.deepEqual(elsewhere, []);
  const bytes = [...files.values()].reduce((sum, text) => sum + text.length, 0);
  assert.ok(bytes < BUDGET_BYTES, `${bytes} bytes`);
});

Deno.test("main.ts loads lazily both what it can be", async () => {
  const main = (await readProduction()).find(({ path }) => path === "main.ts")!;
  assert.deepEqual(importsOf(main).map(({ specifier }) => specifier), [
    "./src/cli/cni_plugin.ts",
    "./src/cli/mod.ts",
  ]);
  assert.doesNotMatch(main.text, /^import/m);
});
