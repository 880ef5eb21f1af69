/** The calls that {@linkcode writeAtomic} is made of: few enough that a fake can fail each of them. */
export interface DiskCalls {
  /**
   * Creates a file and gives it exactly `mode`, whatever the umask. What a crash left under that name is replaced;
   * undefined when it is of a write, of this process or another, that still runs.
   */
  create(path: string, mode: number): Promise<DiskFile | undefined>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes the entries of a directory durable. */
  syncDir(path: string): Promise<void>;
}

/** An open file. Until it is closed, nobody else creates or removes one of its first name. */
export interface DiskFile {
  write(data: Uint8Array): Promise<void>;
  /** Makes the content durable. */
  sync(): Promise<void>;
  close(): void;
}

/**
 * Puts `data` at `path` so that a crash or a failed call leaves the old content or the new one, never a
 * mix, also when several processes write it at once: temporary file in the same directory, fsync, rename, fsync of
 * the directory. When it returns, the new content is durable.
 *
 * @throws what the failing call threw; the temporary file is removed if that is still possible.
 */
export async function writeAtomic(
  calls: DiskCalls,
  path: string,
  data: Uint8Array,
  mode: number,
): Promise<void> {
  const { temporary, file } = await createTemporary(calls, path, mode);
  try {
    await file.write(data);
    // Before the rename: else the name could be durable while the bytes behind it are not.
    await file.sync();
    await calls.rename(temporary, path);
  } catch (error) {
    // The first failure is the one to report.
    await calls.remove(temporary).catch(() => {});
    throw error;
  } finally {
    // Not before: the temporary name is this write's alone until then.
    file.close();
  }
  await calls.syncDir(parentOf(path));
}

/**
 * Always the first name that is free, so that there are never more leftovers than writes that ran at once when
 * the power went: nobody has to look for them.
 */
async function createTemporary(
  calls: DiskCalls,
  path: string,
  mode: number,
): Promise<{ temporary: string; file: DiskFile }> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  for (let n = 0;; n++) {
    const temporary = `${parentOf(path)}/.${name}.${n}.tmp`;
    const file = await calls.create(temporary, mode);
    if (file !== undefined) return { temporary, file };
  }
}

/** The directory that holds an absolute path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
