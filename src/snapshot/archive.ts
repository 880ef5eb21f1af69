import { errorMessage } from "../kernel/errors.ts";
import { type Fs, isNotFound } from "../platform/fs.ts";
import {
  checkOwner,
  formatSnapshot,
  type NodeIdentity,
  parseSnapshot,
  type Snapshot,
  SnapshotError,
} from "./snapshot_file.ts";

/** What an archive gave. */
export type Loaded =
  | {
    state: "loaded";
    snapshot: Snapshot;
    path: string;
    /** Why a newer one was passed over. */
    passedOver: string[];
    /** Whether the next one must be kept even if it is the same: the newest file is damaged, or not there. */
    isDamaged: boolean;
  }
  | { state: "none" };

/** The newest snapshot and the one before it, in the state directory. */
export class Archive {
  readonly #fs: Fs;
  readonly #own: NodeIdentity;
  /** Newest first. */
  readonly paths: readonly [string, string];

  constructor(fs: Fs, stateDir: string, own: NodeIdentity) {
    this.#fs = fs;
    this.#own = own;
    this.paths = [`${stateDir}/network.json`, `${stateDir}/network.prev.json`];
  }

  /**
   * The newest snapshot that is whole and of this node.
   *
   * @throws {SnapshotError} when there are files, but none that can be used, with the reason for each
   */
  async load(): Promise<Loaded> {
    const passedOver: string[] = [];
    for (const path of this.paths) {
      try {
        const snapshot = parseSnapshot(await this.#fs.readText(path));
        checkOwner(snapshot, this.#own);
        const isDamaged = path !== this.paths[0];
        return { state: "loaded", snapshot, path, passedOver, isDamaged };
      } catch (error) {
        if (isNotFound(error)) continue;
        passedOver.push(`${this.#fs.resolve(path)}: ${errorMessage(error)}`);
      }
    }
    if (passedOver.length === 0) return { state: "none" };
    throw new SnapshotError(`There is no usable snapshot: ${passedOver.join("; ")}`);
  }

  /**
   * Keeps a snapshot; durable on return. The former one becomes the previous generation, unless it is not
   * usable: a good one is only ever replaced by a good one. At any moment there is one to load.
   */
  async save(snapshot: Snapshot): Promise<void> {
    const [newest, previous] = this.paths;
    const former = await this.#usableText(newest);
    // A second name costs no write; a disk that has none gets a copy.
    if (former !== undefined) {
      await this.#fs.link(newest, previous)
        .catch(() => this.#fs.writeAtomic(previous, former, 0o600));
    }
    await this.#fs.writeAtomic(newest, formatSnapshot(snapshot), 0o600);
  }

  async #usableText(path: string): Promise<string | undefined> {
    try {
      const text = await this.#fs.readText(path);
      checkOwner(parseSnapshot(text), this.#own);
      return text;
    } catch {
      return undefined;
    }
  }
}
