import type { Clock } from "../../kernel/clock.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import {
  countObjects,
  type ObjectVersion,
  readKept,
  readKeptByAge,
  readKeptKeys,
  readObject,
  readScopes,
  readVersions,
} from "./file_reads.ts";
import { GuardedReads } from "./guarded_reads.ts";
import type { KeptAnswer, ScopeRow } from "./overlay.ts";
import { openSnapshot, type Range } from "./open_snapshot.ts";
import { Readers } from "./readers.ts";
import { Sealer } from "./sealer.ts";
import { StateFile } from "./state_file.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Usage } from "./state_writer.ts";
import type { MakeRoom, StoreEvents, StoreOptions } from "./store_options.ts";
import { LAZY_FLUSH_MS, WriteBehind } from "./write_behind.ts";

/**
 * `state.db`: what the agent knows, surviving restarts. Reads see every change at once (the file merged
 * with what is not written yet), so a slow or full disk delays nobody.
 */
export class StateStore implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #sealer: Sealer;
  readonly #file: StateFile;
  readonly #behind: WriteBehind;
  readonly #readers: Readers;
  readonly #reads: GuardedReads;
  #closed = false;

  private constructor(options: StoreOptions, clock: Clock, events: StoreEvents) {
    this.#clock = clock;
    this.#sealer = new Sealer(options.secret);
    this.#file = new StateFile(options, clock, events);
    this.#behind = new WriteBehind(this.#file, clock, events);
    this.#readers = new Readers(options.path);
    // The writer looks at it, and replaces it if it must.
    this.#reads = new GuardedReads(this.#readers, () => void this.#file.ask({ type: "heal" }));
    this.#file.attached = () => {
      this.#readers.use("file");
      events.writeRecovered();
      this.#behind.flush();
    };
  }

  /**
   * Opens the file, or begins one. A damaged file is renamed and reported, never deleted. A disk that can't
   * be written is read; one that can't be read either leaves the store in memory alone.
   */
  static async open(
    options: StoreOptions,
    clock: Clock,
    events: StoreEvents,
  ): Promise<StateStore> {
    const store = new StateStore(options, clock, events);
    try {
      await store.#file.open();
    } catch (error) {
      const source = store.#readers.useWhatIsThere();
      store.#file.detach(error, source === "memory");
    }
    return store;
  }

  /** Whether the disk refuses to be written: changes stay in memory. */
  get failing(): boolean {
    return this.#behind.failing;
  }

  /** Room taken in the file as of the last write, and its bound. */
  get usage(): Usage {
    return this.#file.usage;
  }

  /** Told when the file was damaged, and a new one has only what could be carried over. */
  set replaced(replaced: () => void) {
    this.#file.replaced = () => {
      this.#readers.use("file");
      replaced();
    };
  }

  /** Asked when the file is full. */
  set makeRoom(makeRoom: MakeRoom) {
    this.#behind.makeRoom = makeRoom;
  }

  /** Every complete scope of the file. */
  scopes(): ScopeRow[] {
    return this.#readers.read(readScopes);
  }

  /** The objects of a scope are sealed from now on. */
  seal(scope: number): void {
    this.#behind.sealed.add(scope);
  }

  /** @param options `lazy`: not worth a write of its own; it goes with the next, or within half a minute */
  saveScope(row: ScopeRow, options: { lazy?: boolean } = {}): void {
    const delayMs = options.lazy ? LAZY_FLUSH_MS : undefined;
    this.#behind.change((pending) => pending.setScope(row), delayMs);
  }

  /** Forgets scopes with all their objects. Their numbers must not be used again. */
  drop(scopes: readonly number[]): Promise<boolean> {
    for (const scope of scopes) this.#behind.sealed.delete(scope);
    return this.#behind.drop(scopes);
  }

  /** Whether a scope holds at most `count` objects. */
  isSmall(scope: number, count: number): boolean {
    const stored = this.#reads.readOr(count + 1, (db) => countObjects(db, scope, count + 1));
    return stored + this.#changes(scope).size <= count;
  }

  put(scope: number, object: StoredObject): void {
    // Without the rest of the network chunk that the body is a view of.
    const own = { ...object, body: object.body.slice() };
    this.#behind.change((pending) => pending.setItem(scope, own.key, own));
  }

  remove(scope: number, key: string): void {
    this.#behind.change((pending) => pending.setItem(scope, key, null));
  }

  /** One object. @throws {DamagedError} */
  get(scope: number, key: string): StoredObject | undefined {
    for (const overlay of this.#behind.unwritten) {
      const object = overlay.items.get(scope)?.get(key);
      if (object !== undefined) return object ?? undefined;
    }
    return this.#reads.read((db) => readObject(db, this.#sealer, scope, key));
  }

  /** Key -> version of every object of a scope. @throws {DamagedError} when some are missing */
  versions(scope: number): Map<string, ObjectVersion> {
    const counted = this.#isCounted(scope);
    const versions = this.#reads.read((db) => readVersions(db, scope, { counted }));
    for (const [key, object] of this.#changes(scope)) {
      if (object === null) versions.delete(key);
      else versions.set(key, { uid: object.uid, resourceVersion: object.resourceVersion });
    }
    return versions;
  }

  /** The objects of a scope right now, whatever is changed while they are read. @throws {DamagedError} */
  snapshot(scope: number, range: Range = {}): Snapshot {
    // Captured before the read transaction begins: a batch that the writer commits in between is in both.
    const changes = this.#changes(scope);
    const parts = { readers: this.#readers, clock: this.#clock, sealer: this.#sealer };
    const guard = <T>(read: () => T) => this.#reads.guard(read);
    const counted = this.#isCounted(scope);
    return openSnapshot({ ...parts, scope, changes, counted, guard }, range);
  }

  /** Whether the rows in the file must add up to what it says: not once its list was given up. */
  #isCounted(scope: number): boolean {
    return !this.#behind.unwritten.some(({ recounts }) => recounts.has(scope));
  }

  #changes(scope: number): Map<string, StoredObject | null> {
    const oldestFirst = this.#behind.unwritten.toReversed();
    return new Map(oldestFirst.flatMap((overlay) => [...overlay.items.get(scope) ?? []]));
  }

  keep(key: string, answer: KeptAnswer): void {
    const own = { ...answer, body: answer.body.slice() };
    this.#behind.change((pending) => pending.setKept(key, own));
  }

  forget(key: string): void {
    this.#behind.change((pending) => pending.setKept(key, null));
  }

  /** Forgets kept answers in the file at once, to make room. @returns whether that worked */
  evict(keys: string[]): Promise<boolean> {
    return this.#behind.forget(keys);
  }

  /** A kept answer; one that is damaged or can't be unsealed counts as not kept. */
  kept(key: string): KeptAnswer | undefined {
    for (const overlay of this.#behind.unwritten) {
      const answer = overlay.kept.get(key);
      if (answer !== undefined) return answer ?? undefined;
    }
    return this.#reads.readOr(undefined, (db) => readKept(db, this.#sealer, key));
  }

  /** The keys of kept answers that begin with `prefix`, sorted. */
  keptKeys(prefix: string): string[] {
    const keys = new Set(this.#reads.readOr([], (db) => readKeptKeys(db, prefix)));
    for (const overlay of this.#behind.unwritten.toReversed()) {
      for (const [key, answer] of overlay.kept) {
        if (!key.startsWith(prefix)) continue;
        if (answer === null) keys.delete(key);
        else keys.add(key);
      }
    }
    return [...keys].sort();
  }

  /** The keys of the kept answers that the file has, oldest first, each with its resourceVersion. */
  keptByAge(): { key: string; resourceVersion: string }[] {
    return this.#reads.readOr([], readKeptByAge);
  }

  /** Resolves when little is unwritten, so that a first list does not pile up in memory. */
  settled(): Promise<void> {
    return this.#behind.settled();
  }

  /** Writes everything now. @returns whether what was changed so far survives a kill of the process */
  written(): Promise<boolean> {
    return this.#behind.written();
  }

  /** Begins empty, at once: the file is moved away. @param reason for the log */
  async renew(reason: string): Promise<void> {
    this.#readers.use("memory");
    this.#behind.abandon();
    if (await this.#file.renew(reason)) this.#readers.use("file");
  }

  /** Writes what is unwritten, once, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // The writer is the last to close: that empties and removes the write-ahead log.
    this.#readers[Symbol.dispose]();
    await this.#behind[Symbol.asyncDispose]();
    await this.#file.close();
  }
}
