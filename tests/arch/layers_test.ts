import assert from "node:assert/strict";
import { dirname, join } from "node:path/posix";
import { importsOf, readProduction } from "./sources.ts";

/** Lowest first. A file imports its own folder and the layers before its own; siblings share a line. */
const LAYERS = [
  ["kernel"],
  ["platform"],
  ["telemetry"],
  ["config"],
  ["kube"],
  ["proxy", "snapshot", "dns", "health", "admission", "demo"],
  ["cli"],
];
const MODULES = LAYERS.at(-2)!;

/** The one file that joins the modules. */
const WIRE = "src/cli/wire.ts";

interface Edge {
  readonly from: string;
  readonly to: string;
}

async function edges(): Promise<Edge[]> {
  const found: Edge[] = [];
  for (const source of await readProduction()) {
    for (const { specifier } of importsOf(source)) {
      if (!specifier.startsWith(".")) continue;
      found.push({ from: source.path, to: join(dirname(source.path), specifier) });
    }
  }
  return found;
}

const folderOf = (path: string): string => /^src\/([^/]+)\//.exec(path)?.[1] ?? "";
const layerOf = (path: string): number => LAYERS.findIndex((row) => row.includes(folderOf(path)));
const show = ({ from, to }: Edge): string => `${from} imports ${to}`;

Deno.test("every folder of src is a layer", async () => {
  const strangers = (await readProduction())
    .filter(({ path }) => path.startsWith("src/") && layerOf(path) < 0);
  assert.deepEqual(strangers.map(({ path }) => path), []);
});

Deno.test("imports point to lower layers or stay in their folder", async () => {
  const all = await edges();
  assert.ok(all.length > 0);
  const wrong = all.filter(({ from, to }) =>
    folderOf(from) !== "" && folderOf(from) !== folderOf(to) && layerOf(to) >= layerOf(from)
  );
  assert.deepEqual(wrong.map(show), []);
});

Deno.test("nothing outside src is imported by src", async () => {
  const wrong = (await edges()).filter(({ from, to }) => folderOf(from) !== "" && layerOf(to) < 0);
  assert.deepEqual(wrong.map(show), []);
});

Deno.test("main.ts imports the command line only", async () => {
  const wrong = (await edges()).filter(({ from, to }) =>
    from === "main.ts" && folderOf(to) !== "cli"
  );
  assert.deepEqual(wrong.map(show), []);
});

Deno.test("only cli/wire.ts joins several modules, apart from their config schemas", async () => {
  const modules = new Map<string, Set<string>>();
  for (const { from, to } of await edges()) {
    const folder = folderOf(to);
    if (folderOf(from) !== "cli" || from === WIRE) continue;
    if (!MODULES.includes(folder) || to.endsWith("/config.ts")) continue;
    modules.set(from, (modules.get(from) ?? new Set()).add(folder));
  }
  const wrong = [...modules].filter(([, folders]) => folders.size > 1);
  assert.deepEqual(
    wrong.map(([from, folders]) => `${from} imports ${[...folders].join(", ")}`),
    [],
  );
});

Deno.test("files do not import each other in a circle", async () => {
  const next = new Map<string, string[]>();
  for (const source of await readProduction()) {
    // A type is gone before anything runs, so it can't be part of a circle at run time.
    const values = importsOf(source).filter(({ specifier, typeOnly }) =>
      specifier.startsWith(".") && !typeOnly
    );
    next.set(source.path, values.map(({ specifier }) => join(dirname(source.path), specifier)));
  }
  const done = new Set<string>();
  const circleFrom = (path: string, above: string[]): string[] | undefined => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const to of next.get(path) ?? []) {
      const circle = circleFrom(to, [...above, path]);
      if (circle !== undefined) return circle;
    }
    done.add(path);
    return undefined;
  };
  for (const path of next.keys()) assert.equal(circleFrom(path, [])?.join(" -> "), undefined);
});
