import { UnavailableError } from "../kernel/errors.ts";
import { parentOf, writeAtomic } from "./atomic_write.ts";
import { diskCalls } from "./disk_calls.ts";

/** What is known of a file; it changes whenever the file is written or replaced. */
export interface FileStat {
  mtimeMs: number;
  /** Bytes. */
  size: number;
  inode: number;
}

/**
 * The disk as a port. Every path is absolute. What fails throws the platform's error, with its `code`
 * (`ENOENT`, `ENOSPC`, …) and the path in the message.
 */
export interface Fs {
  readText(path: string): Promise<string>;
  readBytes(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Replaces or creates a file so that a crash leaves old or new, never a mix, whoever else writes it. Durable on
   * return.
   */
  writeAtomic(path: string, data: string | Uint8Array, mode: number): Promise<void>;
  /** Makes a directory and its missing parents; one that is there is given `mode`. */
  mkdir(path: string, mode: number): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Follows symlinks; undefined when nothing is there. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The names in a directory, sorted. */
  list(path: string): Promise<string[]>;
  /** Removes a file or an empty directory; one that is not there is fine. */
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /**
   * Gives a file a second name, in place of what bears that: a crash leaves it or the file. Not durable on return.
   * Some disks have no second names.
   */
  link(from: string, to: string): Promise<void>;
  /** Creates a file that must not be there yet; false when it is. Not durable on return. */
  createExclusive(path: string, text: string, mode: number): Promise<boolean>;
  /**
   * Takes an exclusive lock on a file (flock), which is made when missing, against other processes and
   * other takers in this one. Undefined when it was not to be had within `timeoutMs`.
   */
  lock(path: string, timeoutMs: number): Promise<Disposable | undefined>;
  chmod(path: string, mode: number): Promise<void>;
  /** The path as other programs and libraries on this host must spell it (see `--root`). */
  resolve(path: string): string;
}

/** True when an error of {@linkcode Fs} means that there is no such file. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && (error as Error & { code?: unknown }).code === "ENOENT";
}

/** The host's disk, with every path taken to be below `root`. */
export function createFs(root = "/"): Fs {
  const prefix = root.replace(/\/+$/, "");
  const resolve = (path: string) => {
    if (!path.startsWith("/")) {
      throw new TypeError(`Cannot use the path "${path}": it is not absolute`);
    }
    return `${prefix}${path}`;
  };
  /** Runs one call on the resolved path. */
  async function call<T>(path: string, run: (resolved: string) => Promise<T>): Promise<T> {
    const resolved = resolve(path);
    return await run(resolved).catch((error) => {
      throw withPath(error, resolved);
    });
  }
  const stat = (path: string) =>
    call(path, async (resolved): Promise<FileStat | undefined> => {
      try {
        const { mtime, size, ino } = await Deno.stat(resolved);
        return { mtimeMs: mtime?.getTime() ?? 0, size, inode: ino ?? 0 };
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });

  return {
    resolve,
    stat,
    exists: async (path) => await stat(path) !== undefined,
    readText: (path) => call(path, (resolved) => Deno.readTextFile(resolved)),
    readBytes: (path) => call(path, (resolved) => Deno.readFile(resolved)),
    writeAtomic: (path, data, mode) =>
      call(path, (resolved) => writeAtomic(diskCalls, resolved, toBytes(data), mode)),
    mkdir: (path, mode) =>
      call(path, async (resolved) => {
        await Deno.mkdir(resolved, { recursive: true, mode });
        // On a disk that can't be written, what is right already must do.
        const known = (await Deno.stat(resolved)).mode;
        if (((known ?? 0) & 0o777) !== mode) await Deno.chmod(resolved, mode);
      }),
    list: (path) =>
      call(path, async (resolved) => {
        const entries = await Array.fromAsync(Deno.readDir(resolved), (entry) => entry.name);
        return entries.sort();
      }),
    remove: (path) =>
      call(path, async (resolved) => {
        await Deno.remove(resolved).catch((error) => {
          if (!isNotFound(error)) throw error;
        });
      }),
    rename: (from, to) => call(from, (resolved) => Deno.rename(resolved, resolve(to))),
    link: (from, to) => call(from, (resolved) => link(resolved, resolve(to))),
    createExclusive: (path, text, mode) =>
      call(path, (resolved) => createExclusive(resolved, toBytes(text), mode)),
    lock: (path, timeoutMs) => call(path, (resolved) => lock(resolved, timeoutMs)),
    chmod: (path, mode) =>
      call(path, async (resolved) => {
        // On a disk that can't be written, what is right already must do.
        const known = (await Deno.stat(resolved)).mode;
        if (((known ?? 0) & 0o777) !== mode) await Deno.chmod(resolved, mode);
      }),
  };
}

async function link(from: string, to: string): Promise<void> {
  // Not one of the names for temporary files: who opens one of those to write it anew would empty this file.
  const temporary = `${parentOf(to)}/.${to.slice(to.lastIndexOf("/") + 1)}.link`;
  const clear = () =>
    Deno.remove(temporary).catch((error) => {
      if (!isNotFound(error)) throw error;
    });
  await clear();
  await Deno.link(from, temporary);
  await Deno.rename(temporary, to);
  // Between two names of one file that does nothing.
  await clear();
}

async function createExclusive(path: string, data: Uint8Array, mode: number): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { write: true, createNew: true, mode });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  try {
    for (let done = 0; done < data.length;) done += await file.write(data.subarray(done));
  } catch (error) {
    // The first failure is the one to report.
    await Deno.remove(path).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
  return true;
}

async function lock(path: string, timeoutMs: number): Promise<Disposable | undefined> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), timeoutMs);
  try {
    for (;;) {
      const file = await lockOnce(path, late.promise);
      if (file === undefined) return undefined;
      // Who removes the file makes a second lock of it: the one that others find counts.
      const [mine, found] = await Promise.all([
        file.stat(),
        Deno.stat(path).catch(() => undefined),
      ]);
      if (mine.ino === found?.ino) return { [Symbol.dispose]: () => file.close() };
      file.close();
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The locked file; undefined when `late` came first. */
async function lockOnce(path: string, late: Promise<false>): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  const taken = file.lock(true).then(() => true);
  try {
    if (await Promise.race([taken, late])) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  // The wait can't be called off: what comes too late is given back at once.
  taken.catch(() => {}).finally(() => file.close());
  return undefined;
}

function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

function withPath(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  // The runtime's own words speak of flags for its compiler.
  if (error.name === "NotCapable") {
    return new UnavailableError(
      `this build was not compiled to use '${path}' (see --read and --write of the build)`,
    );
  }
  if (!error.message.includes(path)) error.message += ` ('${path}')`;
  return error;
}
