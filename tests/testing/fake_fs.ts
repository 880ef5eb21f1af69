import {
  type DiskCalls,
  type DiskFile,
  parentOf,
  writeAtomic,
} from "../../src/platform/atomic_write.ts";
import type { FileStat, Fs } from "../../src/platform/fs.ts";

/** A call that a fault can hit. */
export type DiskOp =
  | "read"
  | "stat"
  | "list"
  | "create"
  | "write"
  | "sync"
  | "rename"
  | "link"
  | "syncDir"
  | "remove"
  | "mkdir"
  | "chmod";

/** What befalls one call: an error (after `tornAt` bytes, for a write), or the end of power before it. */
export type Fault = { code: "EIO" | "ENOSPC" | "EROFS" | "EPERM"; tornAt?: number } | "crash";

/** What of the not yet synced changes a crash happens to leave. */
export interface CrashOutcome {
  /** Whether creations, renames and removals reached the disk. */
  entries: "kept" | "lost";
  /** How many bytes of an unsynced file did. */
  bytes: number;
}

interface Node {
  kind: "file" | "directory";
  inode: number;
  mode: number;
  mtimeMs: number;
  data: Uint8Array<ArrayBuffer>;
  /** What survives a crash for sure; undefined when never synced. */
  durable?: Uint8Array<ArrayBuffer>;
}

const MESSAGES: Record<string, string> = {
  ENOENT: "No such file or directory (os error 2)",
  EPERM: "Operation not permitted (os error 1)",
  EIO: "Input/output error (os error 5)",
  EEXIST: "File exists (os error 17)",
  ENOTDIR: "Not a directory (os error 20)",
  EISDIR: "Is a directory (os error 21)",
  ENOSPC: "No space left on device (os error 28)",
  EROFS: "Read-only file system (os error 30)",
  ENOTEMPTY: "Directory not empty (os error 39)",
};

const EMPTY = new Uint8Array();

/**
 * An {@linkcode Fs} in memory that tells durable from written: bytes survive a crash after `sync`, names
 * after `syncDir`. `fault` is asked before each call. After the fault `"crash"` every call fails until
 * {@linkcode FakeFs.restart}.
 */
export class FakeFs implements Fs {
  fault: (op: DiskOp, path: string) => Fault | undefined = () => undefined;
  /** Gives files their time of change, ms; without it every file is a second younger than the one before. */
  now?: () => number;
  /** Every call so far, as `op path`. */
  readonly calls: string[] = [];
  #entries = new Map<string, Node>();
  #durableEntries = new Map<string, Node>();
  #inodes = 0;
  #locks = new Map<string, (() => void)[]>();
  /** Files that some write has open. */
  #writing = new Set<Node>();
  #crashed = false;

  /** @param files contents by path, already durable; their directories are made. */
  constructor(files: Record<string, string> = {}) {
    this.#put("/", "directory", 0o755);
    for (const [path, text] of Object.entries(files)) {
      this.#mkdirs(parentOf(path), 0o755);
      const node = this.#put(path, "file", 0o644);
      node.data = node.durable = new TextEncoder().encode(text);
    }
    this.#durableEntries = new Map(this.#entries);
  }

  /** The mode bits of what is at `path`. */
  modeOf(path: string): number {
    return this.#get(path).mode;
  }

  /** Power is back after a crash (or goes away and comes back now). */
  restart({ entries, bytes }: CrashOutcome): void {
    if (entries === "lost") {
      // A directory that is lost takes along what is in it.
      const paths = [...this.#durableEntries.keys()].sort((a, b) => a.length - b.length);
      this.#entries = new Map();
      for (const path of paths) {
        const isRooted = path === "/" || this.#entries.has(parentOf(path));
        if (isRooted) this.#entries.set(path, this.#durableEntries.get(path)!);
      }
    }
    this.#durableEntries = new Map(this.#entries);
    for (const node of this.#entries.values()) {
      node.data = node.durable ??= node.data.slice(0, bytes);
    }
    this.#crashed = false;
    // Who held or awaited one is gone.
    this.#locks = new Map();
    this.#writing = new Set();
  }

  resolve(path: string): string {
    if (!path.startsWith("/")) {
      throw new TypeError(`Cannot use the path "${path}": it is not absolute`);
    }
    return path;
  }

  async readText(path: string): Promise<string> {
    return new TextDecoder().decode(await this.readBytes(path));
  }

  readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#call("read", path, () => {
      const node = this.#get(path);
      if (node.kind === "directory") throw osError("EISDIR", path);
      return node.data.slice();
    });
  }

  writeAtomic(path: string, data: string | Uint8Array, mode: number): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return writeAtomic(this.#disk, path, bytes, mode);
  }

  mkdir(path: string, mode: number): Promise<void> {
    return this.#call("mkdir", path, () => {
      this.#mkdirs(path, mode);
      const node = this.#get(path);
      if (node.kind === "file") throw osError("EEXIST", path);
      node.mode = mode;
    });
  }

  async exists(path: string): Promise<boolean> {
    return await this.stat(path) !== undefined;
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#call("stat", path, () => {
      const node = this.#entries.get(path);
      return node && { mtimeMs: node.mtimeMs, size: node.data.length, inode: node.inode };
    });
  }

  list(path: string): Promise<string[]> {
    return this.#call("list", path, () => {
      if (this.#get(path).kind === "file") throw osError("ENOTDIR", path);
      return this.#children(path).map((child) => child.slice(child.lastIndexOf("/") + 1)).sort();
    });
  }

  remove(path: string): Promise<void> {
    return this.#call("remove", path, () => {
      if (this.#children(path).length > 0) throw osError("ENOTEMPTY", path);
      this.#entries.delete(path);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call("rename", from, () => {
      const node = this.#get(from);
      if (this.#entries.get(to)?.kind === "directory" && node.kind === "file") {
        throw osError("EISDIR", to);
      }
      this.#get(parentOf(to));
      for (const path of [from, ...this.#descendants(from)]) {
        this.#entries.set(to + path.slice(from.length), this.#get(path));
        this.#entries.delete(path);
      }
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#call("link", from, () => {
      const node = this.#get(from);
      this.#get(parentOf(to));
      this.#entries.set(to, node);
    });
  }

  async createExclusive(path: string, text: string, mode: number): Promise<boolean> {
    const node = await this.#call("create", path, () => {
      this.#get(parentOf(path));
      return this.#entries.has(path) ? undefined : this.#put(path, "file", mode);
    });
    if (node === undefined) return false;
    const file = this.#open(path, node);
    try {
      await file.write(new TextEncoder().encode(text));
    } catch (error) {
      await this.remove(path).catch(() => {});
      throw error;
    }
    return true;
  }

  async lock(path: string, timeoutMs: number): Promise<Disposable | undefined> {
    const locks = await this.#call("create", path, () => {
      this.#get(parentOf(path));
      if (!this.#entries.has(path)) this.#put(path, "file", 0o600);
      return this.#locks;
    });
    const release = {
      [Symbol.dispose]: () => {
        const next = locks.get(path)?.shift();
        if (next === undefined) locks.delete(path);
        else next();
      },
    };
    const waiting = locks.get(path);
    if (waiting === undefined) {
      locks.set(path, []);
      return release;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const take = () => resolve(true);
    waiting.push(take);
    const timer = setTimeout(() => resolve(false), timeoutMs);
    const taken = await promise;
    clearTimeout(timer);
    if (taken) return release;
    waiting.splice(waiting.indexOf(take), 1);
    return undefined;
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#call("chmod", path, () => {
      this.#get(path).mode = mode;
    });
  }

  readonly #disk: DiskCalls = {
    create: (path, mode) =>
      this.#call("create", path, () => {
        this.#get(parentOf(path));
        const there = this.#entries.get(path);
        if (there !== undefined && this.#writing.has(there)) return undefined;
        const node = this.#put(path, "file", mode);
        this.#writing.add(node);
        return this.#open(path, node);
      }),
    rename: (from, to) => this.rename(from, to),
    remove: (path) => this.remove(path),
    syncDir: (path) =>
      this.#call("syncDir", path, () => {
        for (const child of [...this.#durableEntries.keys()]) {
          if (parentOf(child) === path && !this.#entries.has(child)) {
            this.#durableEntries.delete(child);
          }
        }
        for (const child of this.#children(path)) {
          this.#durableEntries.set(child, this.#get(child));
        }
      }),
  };

  #open(path: string, node: Node): DiskFile {
    return {
      write: (data) =>
        this.#call("write", path, () => {
          node.data = new Uint8Array([...node.data, ...data]);
          node.mtimeMs = this.now?.() ?? node.mtimeMs + 1;
        }, (tornAt) => node.data = new Uint8Array([...node.data, ...data.subarray(0, tornAt)])),
      sync: () =>
        this.#call("sync", path, () => {
          node.durable = node.data;
        }),
      close: () => this.#writing.delete(node),
    };
  }

  // deno-lint-ignore require-await -- what is thrown must reject, as it does on the real disk
  async #call<T>(
    op: DiskOp,
    path: string,
    run: () => T,
    torn?: (bytes: number) => void,
  ): Promise<T> {
    this.resolve(path);
    if (this.#crashed) throw osError("EIO", path);
    this.calls.push(`${op} ${path}`);
    const fault = this.fault(op, path);
    if (fault === "crash") this.#crashed = true;
    else if (fault?.tornAt !== undefined) torn?.(fault.tornAt);
    if (fault !== undefined) throw osError(fault === "crash" ? "EIO" : fault.code, path);
    return run();
  }

  #put(path: string, kind: Node["kind"], mode: number): Node {
    const inode = ++this.#inodes;
    const mtimeMs = this.now?.() ?? inode * 1_000;
    const node: Node = { kind, inode, mode, mtimeMs, data: EMPTY };
    this.#entries.set(path, node);
    return node;
  }

  #get(path: string): Node {
    const node = this.#entries.get(path);
    if (node === undefined) throw osError("ENOENT", path);
    return node;
  }

  #mkdirs(path: string, mode: number): void {
    if (this.#entries.has(path)) return;
    this.#mkdirs(parentOf(path), mode);
    if (this.#get(parentOf(path)).kind === "file") throw osError("ENOTDIR", path);
    this.#put(path, "directory", mode);
  }

  #children(path: string): string[] {
    return [...this.#entries.keys()].filter((key) => key !== "/" && parentOf(key) === path);
  }

  #descendants(path: string): string[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(`${path}/`));
  }
}

function osError(code: string, path: string): Error {
  return Object.assign(new Error(`${MESSAGES[code]}: '${path}'`), { code });
}
