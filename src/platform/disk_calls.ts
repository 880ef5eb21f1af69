import type { DiskCalls } from "./atomic_write.ts";

/** The host's disk. */
export const diskCalls: DiskCalls = {
  async create(path, mode) {
    const file = await claim(path, mode);
    return file && {
      async write(data) {
        for (let done = 0; done < data.length;) done += await file.write(data.subarray(done));
      },
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },
  rename: (from, to) => Deno.rename(from, to),
  remove: (path) => Deno.remove(path),
  async syncDir(path) {
    // No `using`: the bundler's minifier puts the value where its only use is, and nothing closes it.
    const dir = await Deno.open(path, { read: true });
    try {
      await dir.sync();
    } finally {
      dir.close();
    }
  },
};

/** How often a name is tried whose file was another's at once. */
const MAX_TRIES = 10;

/**
 * A new file of that name, locked; undefined when another write has it. The lock, which ends with its process, tells
 * a file that is being written from what a crash left: a process ID would say nothing after a reboot.
 */
async function claim(path: string, mode: number): Promise<Deno.FsFile | undefined> {
  // Others may be quicker now and then, but not each time.
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    let file: Deno.FsFile;
    try {
      // Never one that is there: it may be a link that somebody else's folder has in store for us.
      file = await Deno.open(path, { write: true, createNew: true, mode });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      if (await removeLeftover(path) === "taken") return undefined;
      continue;
    }
    try {
      // Before it was locked it may have been taken for a leftover. Where nothing can be locked, nothing is.
      const isLocked = await file.tryLock(true).catch(() => true);
      if (isLocked && await isAt(path, file)) {
        // Mostly the umask has left it as it should be. Only else by its name, which the folder's owner may give
        // to something else meanwhile.
        if (((await file.stat()).mode ?? 0) & 0o777 ^ mode) await Deno.chmod(path, mode);
        return file;
      }
    } catch (error) {
      await Deno.remove(path).catch(() => {});
      file.close();
      throw error;
    }
    file.close();
  }
  throw new Error(`Cannot create ${path}: what has that name is another file each time`);
}

/** Removes a file that no living process is writing. */
async function removeLeftover(path: string): Promise<"gone" | "taken"> {
  try {
    // A pipe would keep us waiting.
    if (!(await Deno.lstat(path)).isFile) return "taken";
    const file = await Deno.open(path, { write: true });
    try {
      if (!await file.tryLock(true).catch(() => false)) return "taken";
      // Written to its end meanwhile, it has its final name, and what is here now is another's.
      if (await isAt(path, file)) await Deno.remove(path);
    } finally {
      file.close();
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return "gone";
}

/** Whether a name still leads to an open file. */
async function isAt(path: string, file: Deno.FsFile): Promise<boolean> {
  const [mine, found] = await Promise.all([
    file.stat(),
    Deno.lstat(path).catch(() => undefined),
  ]);
  return mine.ino === found?.ino && mine.dev === found.dev;
}
