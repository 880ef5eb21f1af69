/**
 * Builds the components by name through the Go module proxy into a cache outside the checkout. As a
 * program it prints the folder of the built programs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { installTools } from "./apt.ts";
import {
  type Component,
  type ComponentName,
  COMPONENTS,
  KUBERNETES_MODULE,
  VERSION_PACKAGES,
} from "./components.ts";
import { compile } from "./compile.ts";

const HERE = import.meta.dirname!;

/** What is not a module of somebody else's: programs of ours, and go.mod's beside the main ones. */
const OWN_FOLDERS = ["asker", "cniruntime", "coredns", "flannel_cni", "flanneld", "informer"];

/** Program to Debian package: the one that brings the headers of the C library too. */
const C_COMPILER = { gcc: "build-essential" } as const;

/** The built programs. */
export interface Built {
  /** The folder that holds them. */
  readonly folder: string;
  /** Whether they were there already. */
  readonly cached: boolean;
  /** Path of one program. */
  bin(name: ComponentName): string;
}

/** Builds what the cache lacks, and answers at once when it lacks nothing. */
export async function buildCluster(): Promise<Built> {
  const key = await readKey();
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
    for (const group of groupsOfComponents()) await build(group, scratch);
    await rename(scratch, folder);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return built(false);
}

/** Components of one go.mod: one run of the compiler. */
interface Group {
  readonly module: string;
  readonly modfile: string;
  readonly components: (Component & { readonly name: string })[];
}

/** Two groups may build programs of the same name: each gets a folder of its own first. */
async function build({ module, modfile, components }: Group, folder: string): Promise<void> {
  const cwd = join(HERE, module);
  // What has a module of its own is no part of Kubernetes: its version does not matter.
  const goMod = await readFile(join(HERE, modfile), "utf8");
  const own = await mkdtemp(join(folder, "group-"));
  const packages = components.map((component) => component.package);
  const flags = flagsOf([
    ...versionFlags(goMod),
    ...await ownVersionFlags(join(cwd, modfile), components),
  ]);
  const cgo = components.some((component) => component.cgo);
  if (cgo) await installTools(C_COMPILER);
  await compile({ packages, flags, modfile, folder: own, cwd, cgo });
  for (const { name, builtAs } of components) {
    await rename(join(own, builtAs ?? name), join(folder, name));
  }
  await rm(own, { recursive: true });
}

function flagsOf(linker: readonly string[]): string[] {
  return ["-trimpath", "-buildvcs=false", `-ldflags=${["-s", "-w", ...linker].join(" ")}`];
}

/** What decides the programs, as the name of their folder. */
async function readKey(): Promise<string> {
  const hash = createHash("sha256");
  const goMod = await readFile(join(HERE, "go.mod"), "utf8");
  hash.update(JSON.stringify([flagsOf(versionFlags(goMod)), COMPONENTS]));
  for (const name of ["go.mod", "go.sum", "current.mod", "current.sum"]) {
    hash.update(await readFile(join(HERE, name)));
  }
  for (const own of OWN_FOLDERS) {
    const entries = await readdir(join(HERE, own), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    for (const path of files.map(({ parentPath, name }) => join(parentPath, name)).sort()) {
      hash.update(relative(HERE, path)).update(await readFile(path));
    }
  }
  return hash.digest("hex").slice(0, 16);
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

/** The same for those who name a variable of theirs. */
async function ownVersionFlags(
  modfile: string,
  components: readonly Component[],
): Promise<string[]> {
  const goMod = await readFile(modfile, "utf8");
  return components.flatMap(({ version }) => {
    if (version === undefined) return [];
    const found = new RegExp(`^\\s*(?:require )?${version.module} (v\\S+)`, "m").exec(goMod);
    if (!found) throw new SyntaxError(`Cannot find the version of ${version.module} in ${modfile}`);
    return [`-X ${version.variable}=${found[1]}`];
  });
}

function groupsOfComponents(): Group[] {
  const groups = new Map<string, Group>();
  for (const [name, component] of Object.entries<Component>(COMPONENTS)) {
    const { module = ".", modfile = "go.mod" } = component;
    const key = `${module}/${modfile}`;
    const group = groups.get(key) ?? { module, modfile, components: [] };
    group.components.push({ name, ...component });
    groups.set(key, group);
  }
  return [...groups.values()];
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
