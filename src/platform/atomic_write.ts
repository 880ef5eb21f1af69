/** The calls that {@linkcode writeAtomic} is made of: few enough that a fake can fail each of them. */
export interface DiskCalls {
  /** Creates or empties a file and gives it exactly `mode`, whatever the umask. */
  create(path: string, mode: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes the entries of a directory durable. */
  syncDir(path: string): Promise<void>;
}

/** An open file. */
export interface DiskFile {
  write(data: Uint8Array): Promise<void>;
  /** Makes the content durable. */
  sync(): Promise<void>;
  close(): void;
}

/**
 * Puts `data` at `path` so that a crash or a failed call leaves the old content or the new one, never a
 * mix: temporary file in the same directory, fsync, rename, fsync of the directory. When it returns, the
 * new content is durable. `temporary` must not be in use by another write.
 *
 * @throws what the failing call threw; the temporary file is removed if that is still possible.
 */
export async function writeAtomic(
  calls: DiskCalls,
  path: string,
  temporary: string,
  data: Uint8Array,
  mode: number,
): Promise<void> {
  try {
    const file = await calls.create(temporary, mode);
    try {
      await file.write(data);
      // Before the rename: else the name could be durable while the bytes behind it are not.
      await file.sync();
    } finally {
      file.close();
    }
    await calls.rename(temporary, path);
  } catch (error) {
    // The first failure is the one to report.
    await calls.remove(temporary).catch(() => {});
    throw error;
  }
  await calls.syncDir(parentOf(path));
}

/** Hands out names for temporary files beside `path`, the same one again once it is free. */
export class TemporaryNames {
  readonly #taken = new Set<string>();

  /** Runs `use` with a name that no other running call has. A file left by a crash is thus overwritten, not kept. */
  async with<T>(path: string, use: (temporary: string) => Promise<T>): Promise<T> {
    const name = (n: number) =>
      `${parentOf(path)}/.${path.slice(path.lastIndexOf("/") + 1)}.${n}.tmp`;
    let n = 0;
    while (this.#taken.has(name(n))) n++;
    const temporary = name(n);
    this.#taken.add(temporary);
    try {
      return await use(temporary);
    } finally {
      this.#taken.delete(temporary);
    }
  }
}

/** The directory that holds an absolute path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
