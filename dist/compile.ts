/**
 * Builds the binary: a bundle of the whole program and one of its Worker, appended to a base runtime, with
 * the narrowest permissions that work. The bundle is split where the program loads lazily: a CNI plugin
 * that every pod waits for must not read the rest of the agent (36 ms instead of 60).
 *
 * @module
 */

import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { run, say } from "./command.ts";
import { type Arch, type Base, chooseBase, TARGETS } from "./denort.ts";
import { permissionsOf, toFlags } from "./permissions.ts";

const ROOT = dirname(import.meta.dirname!);
const BUILD = join(ROOT, "dist", "build");
const BUNDLE = join(BUILD, "main.js");
/** The program's Worker, which is looked for beside it. */
const WRITER = join(BUILD, "state_writer.js");

const HELP = `Builds edge-agent into one file.

Usage: deno task compile [options]

  --output FILE   where the binary goes (default dist/edge-agent)
  --arch ARCH     x64 or arm64 (default: this machine's)
  --prefix DIR    also permit DIR/etc/edge-agent and DIR/var/lib/edge-agent
  --read PATH     also permit to read PATH; may be repeated
  --write PATH    also permit to read and write PATH; may be repeated
  --help          this text

The base runtime is DENORT_BIN if set, else Deno's own download, else one out of an npm package.
`;

/** What a build is asked for. */
export interface BuildOptions {
  readonly output: string;
  readonly arch: Arch;
  /** Absolute paths. */
  readonly prefix?: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Reads the command line; undefined when help is asked for. Throws a `TypeError` that says what is wrong. */
export function parseBuildOptions(args: readonly string[]): BuildOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      output: { type: "string" },
      arch: { type: "string" },
      prefix: { type: "string" },
      read: { type: "string", multiple: true, default: [] },
      write: { type: "string", multiple: true, default: [] },
      help: { type: "boolean" },
    },
  });
  if (values.help) return undefined;
  const arch = values.arch ?? hostArch();
  if (!isArch(arch)) throw new TypeError(`--arch must be x64 or arm64: it is ${arch}`);
  // A comma would end the path inside the flag that carries it.
  for (const path of [values.prefix ?? "", ...values.read, ...values.write]) {
    if (path.includes(",")) throw new TypeError(`A path can't hold a comma: ${path}`);
  }
  for (const path of [...values.read, ...values.write]) {
    if (!isAbsolute(path)) throw new TypeError(`A permitted path must be absolute: it is ${path}`);
  }
  return {
    arch,
    output: resolve(values.output ?? join(ROOT, "dist", "edge-agent")),
    prefix: values.prefix === undefined ? undefined : resolve(values.prefix),
    read: [...values.read, ...values.write],
    write: values.write,
  };
}

function isArch(text: string): text is Arch {
  return text in TARGETS;
}

function hostArch(): string {
  return { x86_64: "x64", aarch64: "arm64" }[Deno.build.arch as string] ?? Deno.build.arch;
}

/** Makes the binary and says what came out. */
export async function build(options: BuildOptions): Promise<void> {
  const { arch, output } = options;
  say("bundling main.ts");
  await mkdir(BUILD, { recursive: true });
  // Pieces of an earlier build bear other names.
  for (const name of await readdir(BUILD)) {
    if (name.endsWith(".js")) await rm(join(BUILD, name));
  }
  await bundle("main.ts", ["--code-splitting", "--outdir", BUILD]);
  await bundle("src/proxy/store/state_writer.ts", ["--output", WRITER]);
  const base = await chooseBase(arch);
  say(`compiling for ${arch} on the base runtime of ${base.origin}`);
  await mkdir(dirname(output), { recursive: true });
  // Only a binary that runs takes the place of the former one.
  const fresh = `${output}.new`;
  let version = `not run: made for ${arch}`;
  try {
    await compile(base, { ...options, output: fresh });
    if (arch === hostArch()) version = await versionOf(fresh, base);
    await rename(fresh, output);
  } finally {
    await rm(fresh, { force: true });
  }
  const megabytes = ((await stat(output)).size / 1e6).toFixed(1);
  say(`${relative(Deno.cwd(), output)}: ${megabytes} MB; ${version}`);
}

async function bundle(source: string, output: readonly string[]): Promise<void> {
  await run([
    ...[Deno.execPath(), "bundle", "--quiet", "--minify", ...output],
    join(ROOT, source),
  ], { cwd: ROOT });
}

async function compile(base: Base, options: BuildOptions): Promise<void> {
  const env: Record<string, string> = {
    // Kept in the binary: on a node, the certificates to trust are the ones that its system trusts.
    DENO_TLS_CA_STORE: Deno.env.get("DENO_TLS_CA_STORE") ?? "system",
    ...(base.denort && { DENORT_BIN: resolve(base.denort) }),
  };
  await run([
    ...base.deno,
    ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check"],
    // The code cache is a file in /tmp whose name anyone can foresee, and root would run what is in it.
    "--no-code-cache",
    ...["--target", TARGETS[options.arch]],
    ...await runtimeFlags(),
    ...toFlags(permissionsOf(options)),
    ...["--include", WRITER, "--output", options.output, BUNDLE],
  ], { env, cwd: dirname(BUNDLE) });
}

/**
 * Flags of the runtime, since a compiled program has no deno.json: its unstable features, and a heap for small
 * machines. The young generation has 2 MB at most instead of 16: with 5,000 pods cached that saves a fifth of the
 * memory (`deno task bench`). The old one is collected when it has grown by 30 % instead of up to 300 %: a name
 * server of 50,000 endpoints takes 133 MB instead of 228, for 89,000 answers a second instead of 97,000
 * (`tests/bench/dns_server.ts`).
 */
export async function runtimeFlags(): Promise<string[]> {
  const { unstable } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  const features: string[] = unstable.map((feature: string) => `--unstable-${feature}`);
  return [...features, "--v8-flags=--max-semi-space-size=2,--heap-growing-percent=30"];
}

async function versionOf(binary: string, base: Base): Promise<string> {
  const { code, stdout, stderr } = await run([binary, "version"], {
    timeoutMs: 30_000,
    allowFailure: true,
  });
  if (code === 0) return stdout.trim().split("\n").join(", ");
  throw new Error(
    `The binary was made but does not run: "${binary} version" ended with ${code}: ` +
      `${(stderr || stdout).trim() || "no output"}` +
      (base.origin === "DENORT_BIN" ? `. Is DENORT_BIN of Deno ${Deno.version.deno}?` : ""),
  );
}

async function main(): Promise<number> {
  // A wrong command line is 2, a failed build 1.
  let exitCode = 2;
  try {
    const options = parseBuildOptions(Deno.args);
    exitCode = 1;
    if (options !== undefined) await build(options);
    else await Deno.stdout.write(new TextEncoder().encode(HELP));
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return exitCode;
  }
}

if (import.meta.main) Deno.exitCode = await main();
