/**
 * One run of the Go compiler over a set of main packages, with progress on stderr.
 *
 * @module
 */

import { TextLineStream } from "./lines.ts";

/** What to compile, and where to. */
export interface Compilation {
  readonly packages: readonly string[];
  readonly flags: readonly string[];
  /** The go.mod in `cwd` that counts. */
  readonly modfile: string;
  readonly folder: string;
  readonly cwd: string;
  /** Whether any of them holds C; default false. */
  readonly cgo?: boolean;
}

/** Lines of the compiler kept for the error message. */
const KEPT_LINES = 30;
/** Packages between two progress lines: about ten seconds on two cores. */
const PROGRESS_STEP = 150;

/** Compiles all packages into the folder; throws with the compiler's last words when it fails. */
export async function compile(compilation: Compilation): Promise<void> {
  const total = await countPackages(compilation);
  const started = performance.now();
  progress(`building ${compilation.packages.length} programs from ${total} packages`);
  // -v names each package when its compilation starts; those in Go's own cache are not named.
  const child = new Deno.Command("nice", {
    args: [
      ...["-n", "5", "go", "build", "-v", `-modfile=${compilation.modfile}`, ...compilation.flags],
      ...["-o", `${compilation.folder}/`, ...compilation.packages],
    ],
    cwd: compilation.cwd,
    env: goEnvironment(compilation.cgo),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const tail: string[] = [];
  let compiled = 0;
  for await (const line of child.stderr.pipeThrough(new TextLineStream())) {
    tail.push(line);
    if (tail.length > KEPT_LINES) tail.shift();
    if (/^[\w.~/-]+$/.test(line) && ++compiled % PROGRESS_STEP === 0) {
      progress(`compiled ${compiled} of at most ${total} packages, ${since(started)}`);
    }
  }
  const { code } = await child.status;
  if (code !== 0) {
    throw new Error(
      `Cannot build the test cluster: go build ended with ${code}:\n${tail.join("\n")}`,
    );
  }
  progress(`built in ${since(started)}`);
}

/** Also the step that downloads the modules, and the first to find that Go is missing. */
async function countPackages({ packages, modfile, cwd, cgo }: Compilation): Promise<number> {
  progress("resolving modules");
  const { code, stdout, stderr } = await listPackages(
    [`-modfile=${modfile}`, ...packages],
    cwd,
    cgo,
  );
  const decoder = new TextDecoder();
  if (code !== 0) {
    const last = decoder.decode(stderr).trimEnd().split("\n").slice(-KEPT_LINES).join("\n");
    throw new Error(`Cannot build the test cluster: go list ended with ${code}:\n${last}`);
  }
  return decoder.decode(stdout).trimEnd().split("\n").length;
}

async function listPackages(
  flagsAndPackages: readonly string[],
  cwd: string,
  cgo: boolean | undefined,
): Promise<Deno.CommandOutput> {
  const args = ["list", "-deps", ...flagsAndPackages];
  try {
    return await new Deno.Command("go", { args, cwd, env: goEnvironment(cgo), stdin: "null" })
      .output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(
      'Cannot build the test cluster as "go" is not on PATH: install Go 1.26 or later ' +
        `(PATH is ${Deno.env.get("PATH")})`,
      { cause },
    );
  }
}

/** The caller's GOFLAGS and workspace would change what is built behind the cache key's back. */
function goEnvironment(cgo = false): Record<string, string> {
  return { CGO_ENABLED: cgo ? "1" : "0", GOFLAGS: "-mod=readonly", GOWORK: "off" };
}

function since(started: number): string {
  return `${Math.round((performance.now() - started) / 1000)} s`;
}

function progress(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`cluster: ${text}\n`));
}
