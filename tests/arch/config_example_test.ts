import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import * as z from "zod/mini";
import { AgentConfig } from "../../src/cli/agent_config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatPath, keysAt, leavesOf } from "../../src/config/schema.ts";
import { ROOT } from "./sources.ts";

const PATH = "dist/config.example.yaml";
const example = () => readFile(join(ROOT, PATH), "utf8");

/** The same with every setting taken in: after the "#" of prose there is one space. */
const uncommented = async () => (await example()).replace(/^( *)#(?! \S)(?=.)/gm, "$1");

const load = (text: string) =>
  loadConfig(AgentConfig, { file: { path: PATH, text }, env: {}, flags: [] }).config;

function valueAt(data: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], data);
}

Deno.test("the example config is accepted as it is", async () => {
  assert.equal(load(await example()).stateDir, "/var/lib/edge-agent");
});

Deno.test("the example config is accepted with every setting taken in", async () => {
  load(await uncommented());
});

Deno.test("the example config shows every setting", async () => {
  const data = parse(await uncommented());
  const missing = leavesOf(AgentConfig).filter(({ path }) => valueAt(data, path) === undefined);
  assert.deepEqual(missing.map(({ path }) => formatPath(path)), []);
});

Deno.test("the example config shows every setting of an identity", async () => {
  const { identities } = parse(await uncommented()).proxy;
  const shown = new Set(identities.flatMap((identity: object) => Object.keys(identity)));
  const keys = keysAt(AgentConfig, ["proxy", "identities", 0]);
  assert.ok(keys.length > 0);
  assert.deepEqual(keys.filter((key) => !shown.has(key)), []);
});

Deno.test("the example config shows the defaults", async () => {
  const shown = parse(await uncommented());
  const minimal = load(
    "proxy: {upstream: {server: 'https://10.0.0.1:6443'}}\nsnapshot: {}\ndns: {}\n",
  );
  const defaults = z.encode(AgentConfig, minimal);
  const wrong = leavesOf(AgentConfig)
    .filter(({ path }) => !/^proxy\.(upstream|identities)/.test(formatPath(path)))
    .map(({ path }) => ({ path, want: valueAt(defaults, path), got: valueAt(shown, path) }))
    .filter(({ want, got }) => want !== undefined && JSON.stringify(want) !== JSON.stringify(got));
  assert.deepEqual(wrong, []);
});
