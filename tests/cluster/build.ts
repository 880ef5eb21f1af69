/**
 * Builds the components by name through the Go module proxy into a cache outside the checkout. As a
 * program it prints the folder of the built programs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  type Component,
  type ComponentName,
  COMPONENTS,
  KUBERNETES_MODULE,
  VERSION_PACKAGES,
} from "./components.ts";
import { compile } from "./compile.ts";

const HERE = import.meta.dirname!;

/** The built programs. */
export interface Built {
  /** The folder that holds them. */
  readonly folder: string;
  /** Whether they were there already. */
  readonly cached: boolean;
  /** Path of one program. */
  bin(name: ComponentName): string;
}

/** What decides the programs, and so the name of their folder. */
interface Recipe {
  readonly flags: readonly string[];
  readonly key: string;
}

/** Builds what the cache lacks, and answers at once when it lacks nothing. */
export async function buildCluster(): Promise<Built> {
  const { flags, key } = await readRecipe();
  const root = join(cacheRoot(), "edge-agent-tests");
  const folder = join(root, key, "bin");
  const built = (cached: boolean): Built => ({ folder, cached, bin: (name) => join(folder, name) });
  if (await isWhole(folder)) return built(true);

  await mkdir(join(root, key), { recursive: true });
  // The kernel drops the lock with its holder, so a killed build never blocks the next one.
  using lock = await Deno.open(join(root, `${key}.lock`), { create: true, write: true });
  await lock.lock(true);
  if (await isWhole(folder)) return built(true);

  await removeLeftovers(join(root, key));
  const scratch = await mkdtemp(join(root, key, "building-"));
  try {
    for (const [module, packages] of packagesByModule()) {
      await compile({ packages, flags, folder: scratch, cwd: join(HERE, module) });
    }
    for (const [name, { builtAs }] of Object.entries(COMPONENTS)) {
      if (builtAs) await rename(join(scratch, builtAs), join(scratch, name));
    }
    await rename(scratch, folder);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return built(false);
}

async function readRecipe(): Promise<Recipe> {
  const goMod = await readFile(join(HERE, "go.mod"), "utf8");
  const flags = [
    "-trimpath",
    "-buildvcs=false",
    `-ldflags=-s -w ${versionFlags(goMod).join(" ")}`,
  ];
  const hash = createHash("sha256");
  hash.update(JSON.stringify([flags, COMPONENTS])).update(goMod);
  hash.update(await readFile(join(HERE, "go.sum")));
  for (const own of ["asker", "coredns", "informer"]) {
    for (const name of (await readdir(join(HERE, own))).sort()) {
      hash.update(name).update(await readFile(join(HERE, own, name)));
    }
  }
  return { flags, key: hash.digest("hex").slice(0, 16) };
}

/** Linker flags that set the version: a plain `go build` says v0.0.0-master, which clients compare. */
function versionFlags(goMod: string): string[] {
  const version = new RegExp(`^\\s*${KUBERNETES_MODULE} (v(\\d+)\\.(\\d+)\\.\\d+)\\b`, "m")
    .exec(goMod);
  if (!version) throw new SyntaxError(`Cannot find the version of ${KUBERNETES_MODULE} in go.mod`);
  const [, gitVersion, gitMajor, gitMinor] = version;
  const values = { gitVersion, gitMajor, gitMinor, gitTreeState: "clean" };
  return VERSION_PACKAGES.flatMap((path) =>
    Object.entries(values).map(([name, value]) => `-X ${path}.${name}=${value}`)
  );
}

function packagesByModule(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { module = ".", ...component } of Object.values<Component>(COMPONENTS)) {
    found.set(module, [...found.get(module) ?? [], component.package]);
  }
  return found;
}

function cacheRoot(): string {
  return Deno.env.get("EDGE_AGENT_TEST_CACHE") || Deno.env.get("XDG_CACHE_HOME") ||
    join(homedir(), ".cache");
}

async function isWhole(folder: string): Promise<boolean> {
  // The folder appears by one rename, so it is whole when it is there.
  return await stat(folder).then((found) => found.isDirectory(), () => false);
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith("building-")) await rm(join(folder, name), { recursive: true });
  }
}

if (import.meta.main) {
  const { folder } = await buildCluster();
  await Deno.stdout.write(new TextEncoder().encode(`${folder}\n`));
}
