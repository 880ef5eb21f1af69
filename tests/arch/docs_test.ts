import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { AgentConfig, MODULES } from "../../src/cli/agent_config.ts";
import { keysAt } from "../../src/config/schema.ts";
import { loadConfig } from "../../src/config/load.ts";
import { importsOf, readProduction, readSources, ROOT, type Source } from "./sources.ts";

/** What every module has. */
const FILES = ["mod.ts", "config.ts", "metrics.ts", "README.md"];

interface DenoJson {
  readonly tasks: Record<string, string>;
  readonly imports: Record<string, string>;
}

const denoJson = async (): Promise<DenoJson> =>
  JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));

const readme = () => readFile(join(ROOT, "README.md"), "utf8");

const documents = () => readSources(/\.md$/);

/** A fenced block: its language and tags, and its text. */
interface Block {
  readonly where: string;
  readonly info: string;
  readonly text: string;
}

function blocksOf({ path, text }: Source): Block[] {
  return [...text.matchAll(/^( *)```([^\n]*)\n([\s\S]*?)^ *```$/gm)].map((match) => ({
    where: `${path}:${text.slice(0, match.index).split("\n").length}`,
    info: match[2]!.trim(),
    text: match[3]!.replaceAll(new RegExp(`^${match[1]}`, "gm"), ""),
  }));
}

const blocks = async () => (await documents()).flatMap(blocksOf);

const isConfig = ({ info }: Block) => /^(yaml|json) config\b/.test(info);

/** Packages of deno.json that the program needs when it runs. */
async function runtimePackages(): Promise<string[]> {
  const names = Object.keys((await denoJson()).imports);
  const used = (await readProduction()).flatMap(importsOf).filter(({ typeOnly }) => !typeOnly);
  return names.filter((name) =>
    used.some(({ specifier }) => specifier === name || specifier.startsWith(`${name}/`))
  );
}

Deno.test.each([...MODULES])("module %s has the files of a module", async (module) => {
  const missing: string[] = [];
  for (const file of FILES) {
    await access(join(ROOT, "src", module, file)).catch(() => missing.push(file));
  }
  assert.deepEqual(missing, []);
});

Deno.test("src and the demo say what they are", async () => {
  for (const path of ["src/README.md", "src/demo/README.md"]) {
    assert.notEqual((await readFile(join(ROOT, path), "utf8")).trim(), "", path);
  }
});

Deno.test("the README shows a config", async () => {
  assert.ok(blocksOf({ path: "README.md", text: await readme() }).some(isConfig));
});

Deno.test("configs in the documentation are accepted", async () => {
  for (const { where, text } of (await blocks()).filter(isConfig)) {
    const file = { path: where, text };
    assert.doesNotThrow(() => loadConfig(AgentConfig, { file, env: {}, flags: [] }), where);
  }
});

Deno.test("whatever looks like a config is tagged `yaml config`, and so is tested", async () => {
  const keys = keysAt(AgentConfig, []);
  const untagged = (await blocks()).filter((block) => {
    if (isConfig(block) || !/^ya?ml\b/.test(block.info)) return false;
    const data: unknown = parse(block.text, { logLevel: "silent" });
    return typeof data === "object" && data !== null &&
      Object.keys(data).some((key) => keys.includes(key));
  });
  assert.deepEqual(untagged.map(({ where }) => where), []);
});

Deno.test("every task in the documentation exists", async () => {
  const { tasks } = await denoJson();
  const wrong = (await documents()).flatMap(({ path, text }) =>
    [...text.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z][\w:-]*)/g)]
      .filter(([, task]) => !(task! in tasks))
      .map(([, task]) => `${path}: deno task ${task}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("links between documents lead somewhere", async () => {
  const broken: string[] = [];
  for (const { path, text } of await documents()) {
    for (const [, link] of text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)]*\)/g)) {
      await access(join(ROOT, path, "..", link!)).catch(() => broken.push(`${path}: ${link}`));
    }
  }
  assert.deepEqual(broken, []);
});

Deno.test("the README gives a reason for every package that the program needs", async () => {
  const rows = (await readme()).split("\n").filter((line) => line.startsWith("|"));
  const packages = await runtimePackages();
  assert.ok(packages.length > 0);
  const missing = packages.filter((name) =>
    !rows.some((row) => {
      const [, first = "", ...others] = row.split("|").map((cell) => cell.trim());
      // `hono`, [hono](…) and hono alike.
      const named = /^[`[]*([@\w/.-]+)/.exec(first)?.[1];
      return named === name && others.some((cell) => /\w{3}/.test(cell));
    })
  );
  assert.deepEqual(missing, []);
});

Deno.test("every package in deno.json is used", async () => {
  const all = (await readSources(/^(main\.ts|(src|tests|dist)\/.*\.ts)$/)).flatMap(importsOf);
  const unused = Object.keys((await denoJson()).imports).filter((name) =>
    !all.some(({ specifier }) => specifier === name || specifier.startsWith(`${name}/`))
  );
  assert.deepEqual(unused, []);
});
