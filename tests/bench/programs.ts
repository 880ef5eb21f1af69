/**
 * The agent and a bare program, each on every base runtime that is here.
 *
 * @module
 */

import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../dist/command.ts";
import { runtimeFlags } from "../../dist/compile.ts";
import { type Arch, chooseBase } from "../../dist/denort.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const BUILD = join(ROOT, "dist", "build");

/** A way to run the agent, and the least that a program costs there. */
export interface Program {
  readonly runtime: string;
  /** argv of the agent, before its arguments. */
  readonly agent: readonly string[];
  /** argv of a program that prints a line and, with the argument "stay", stays. */
  readonly bare: readonly string[];
}

const BARE = `Deno.stdout.writeSync(new TextEncoder().encode(Deno.version.deno + "\\n"));
if (Deno.args[0] === "stay") setInterval(() => {}, 1e9);
`;

/** `dist/edge-agent`, and the same bundle on the Deno that runs this: the base of a release. */
export async function findPrograms(): Promise<Program[]> {
  const binary = Deno.env.get("EDGE_AGENT_BINARY") || join(ROOT, "dist", "edge-agent");
  const bundle = join(BUILD, "main.js");
  for (const file of [binary, bundle]) {
    await stat(file).catch(() => {
      throw new Error(`There is no ${file}: make it with deno task compile`);
    });
  }
  await mkdir(BUILD, { recursive: true });
  const bareSource = join(BUILD, "bare.js");
  const bare = join(BUILD, "bare");
  await writeFile(bareSource, BARE);
  const arch: Arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  const { deno, denort } = await chooseBase(arch);
  await run([
    ...deno,
    ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check", "--no-code-cache"],
    ...["--output", bare, bareSource],
  ], { env: denort === undefined ? {} : { DENORT_BIN: denort } });
  const version = async (argv: readonly string[]) => (await run(argv)).stdout.trim();
  const deno29 = [Deno.execPath(), "run", "--quiet", "--no-config", "-A", ...await runtimeFlags()];
  return [
    {
      runtime: `compiled, Deno ${await version([bare])}`,
      agent: [binary],
      bare: [bare],
    },
    {
      runtime: `deno run, Deno ${Deno.version.deno}`,
      agent: [...deno29, bundle],
      bare: [...deno29, bareSource],
    },
  ];
}
