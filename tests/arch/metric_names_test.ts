import assert from "node:assert/strict";
import { readProduction } from "./sources.ts";

/** What a name may end in: a unit, `total` for a counter, `info` for a constant 1 with labels. */
const UNITS = ["total", "seconds", "bytes", "ratio", "info", "count"];

interface Metric {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
}

async function metrics(): Promise<Metric[]> {
  return (await readProduction()).flatMap(({ path, text }) =>
    [...text.matchAll(/["'`](edge_agent_[a-z0-9_]*)["'`]/g)].map(([, name]) => ({
      path,
      folder: path.split("/")[1]!,
      name: name!,
    }))
  );
}

Deno.test("metrics are called edge_agent_<module>_<what>_<unit|total>", async () => {
  const all = await metrics();
  assert.ok(all.length > 0, "no metric was found");
  const wrong = all.filter(({ folder, name }) => {
    const [module, ...rest] = name.slice("edge_agent_".length).split("_");
    // What concerns the process as a whole is called by its subject, not by the folder it is in.
    const known = ["telemetry", "cli", "config"].includes(folder) || module === folder;
    return !known || rest.length === 0 || !UNITS.includes(name.split("_").at(-1)!);
  });
  assert.deepEqual(wrong.map(({ path, name }) => `${path}: ${name}`), []);
});

Deno.test("a metric is defined in one place", async () => {
  const places = new Map<string, Set<string>>();
  for (const { name, path } of await metrics()) {
    places.set(name, (places.get(name) ?? new Set()).add(path));
  }
  const wrong = [...places].filter(([, paths]) => paths.size > 1);
  assert.deepEqual(wrong.map(([name, paths]) => `${name}: ${[...paths].join(", ")}`), []);
});
