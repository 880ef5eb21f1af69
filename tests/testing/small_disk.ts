/**
 * A file system of its own for a test: it can be small, full and read-only.
 *
 * @module
 */

async function run(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" })
    .output();
  return success;
}

/** Whether this process may mount one; it takes root. */
export async function canMount(): Promise<boolean> {
  await using disk = await SmallDisk.create(1).catch(() => undefined);
  return disk !== undefined;
}

/** A tmpfs. Disposing unmounts it. */
export class SmallDisk implements AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @param megabytes its size */
  static async create(megabytes: number): Promise<SmallDisk> {
    const path = await Deno.makeTempDir({ prefix: "edge-agent-disk-" });
    const options = `size=${megabytes}m,mode=0700`;
    if (!await run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)) {
      await Deno.remove(path);
      throw new Error(`Cannot mount a tmpfs at ${path}: that takes root`);
    }
    return new SmallDisk(path);
  }

  /** @param option `ro`, `rw`, or `size=8m` */
  async remount(option: string): Promise<void> {
    if (!await run("mount", "-o", `remount,${option}`, this.path)) {
      throw new Error(`Cannot remount ${this.path} ${option}`);
    }
  }

  /** Takes all space but `spareBytes`. */
  async fill(spareBytes = 0): Promise<void> {
    const path = `${this.path}/filler`;
    const piece = new Uint8Array(64 * 1024);
    using file = await Deno.open(path, { create: true, append: true });
    for (let size = piece.length; size > 0;) {
      try {
        await file.write(piece.subarray(0, size));
      } catch {
        size = size > 1 ? size >> 1 : 0;
      }
    }
    const { size } = await file.stat();
    await file.truncate(Math.max(0, size - spareBytes));
  }

  /** Gives the space back. */
  async empty(): Promise<void> {
    await Deno.remove(`${this.path}/filler`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Lazily: a file that is still open must not keep the test from its end.
    await run("umount", "-l", this.path);
    await Deno.remove(this.path);
  }
}
