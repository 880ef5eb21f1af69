/**
 * A control group of our own below the root, in whichever hierarchies the machine has.
 *
 * @module
 */

import { mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { until } from "../poll.ts";

const ROOT = "/sys/fs/cgroup";
const PREFIX = "edge-agent-test-";

/** One group by the same path in every hierarchy; disposing removes it. */
export class Cgroup implements AsyncDisposable {
  /** As programs are configured with it. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Path of the group of that id. */
  static pathOf(id: string): string {
    return `/${PREFIX}${id}`;
  }

  /** Makes it, and those above where the id is a path; one that is there already is fine. */
  static async create(id: string): Promise<Cgroup> {
    const path = Cgroup.pathOf(id);
    for (const hierarchy of await listHierarchies()) {
      let folder = hierarchy;
      for (const name of path.split("/").slice(1)) {
        folder = join(folder, name);
        await mkdir(folder, { recursive: true });
        // Version 1: a new group has no processor and no memory until it is given some.
        for (const file of ["cpuset.cpus", "cpuset.mems"]) {
          if (basename(hierarchy) !== "cpuset") break;
          await writeFile(join(folder, file), await readFile(join(hierarchy, file)));
        }
      }
    }
    return new Cgroup(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroup(this.path);
  }
}

/** Removes a group and all below, whose processes have been killed; one that is not there is fine. */
export async function removeCgroup(path: string): Promise<void> {
  for (const hierarchy of await listHierarchies()) await removeGroup(hierarchy + path);
}

/** Version 2 is one hierarchy; version 1 is one per controller, with version 2 beside them or not. */
async function listHierarchies(): Promise<string[]> {
  if (await isThere(join(ROOT, "cgroup.controllers"))) return [ROOT];
  return (await readdir(ROOT)).map((name) => join(ROOT, name));
}

async function removeGroup(folder: string): Promise<void> {
  if (!await isThere(folder)) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  }
  await until(`the end of the processes in ${folder}`, async () => {
    // A killed process leaves its group a moment after it has ended.
    await rmdir(folder);
    return true;
  });
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
