import type { Clock } from "../../kernel/clock.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { type Database, openDatabase } from "../../platform/sqlite.ts";
import { checksum } from "./checksum.ts";
import type { KeptAnswer, ScopeRow } from "./overlay.ts";
import { createSnapshot, SLICE_SQL, type Snapshot, toObject } from "./snapshot.ts";
import { LAZY_FLUSH_MS, type StoreEvents, WriteBehind } from "./write_behind.ts";

/**
 * `state.db`: what the agent knows, surviving restarts. Reads see every change at once (the file merged
 * with what is not written yet), so a slow or full disk delays nobody.
 */
export class StateStore implements AsyncDisposable {
  readonly #path: string;
  readonly #behind: WriteBehind;
  readonly #readers: Database[] = [];
  #closed = false;

  private constructor(path: string, behind: WriteBehind) {
    this.#path = path;
    this.#behind = behind;
  }

  /**
   * Opens the file, or begins one. A damaged file is renamed and reported, never deleted.
   *
   * @throws {UnavailableError} when the file can't be made or read
   */
  static async open(path: string, clock: Clock, events: StoreEvents): Promise<StateStore> {
    return new StateStore(path, await WriteBehind.open(path, clock, events));
  }

  /** Whether the disk refuses to be written: changes stay in memory. */
  get failing(): boolean {
    return this.#behind.failing;
  }

  /** Every complete scope of the file. */
  scopes(): ScopeRow[] {
    return this.#read((db) =>
      db.prepare("SELECT id, key, rv, change_rv, head FROM scopes WHERE complete = 1").all()
    ).map((row) => ({
      id: Number(row.id),
      key: String(row.key),
      rv: String(row.rv),
      changeRv: String(row.change_rv),
      complete: true,
      head: String(row.head),
    }));
  }

  /** @param options `lazy`: not worth a write of its own; it goes with the next, or within half a minute */
  saveScope(row: ScopeRow, options: { lazy?: boolean } = {}): void {
    const delayMs = options.lazy ? LAZY_FLUSH_MS : undefined;
    this.#behind.change((pending) => pending.scopes.set(row.id, row), delayMs);
  }

  /** Whether a scope holds at most `count` objects. */
  isSmall(scope: number, count: number): boolean {
    const row = this.#read((db) =>
      db.prepare("SELECT count(*) AS n FROM (SELECT 1 FROM items WHERE scope = ? LIMIT ?)")
        .get(scope, count + 1)
    );
    return Number(row?.n) + this.#changes(scope).size <= count;
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
    const row = this.#read((db) =>
      db.prepare("SELECT key, uid, rv, sum, body FROM items WHERE scope = ? AND key = ?")
        .get(scope, key)
    );
    return row && toObject(row);
  }

  /** Key -> version of every object of a scope. */
  versions(scope: number): Map<string, { uid: string; resourceVersion: string }> {
    const rows = this.#read((db) =>
      db.prepare("SELECT key, uid, rv FROM items WHERE scope = ?").all(scope)
    );
    const versions = new Map(rows.map((row) => [
      String(row.key),
      { uid: String(row.uid), resourceVersion: String(row.rv) },
    ]));
    for (const [key, object] of this.#changes(scope)) {
      if (object === null) versions.delete(key);
      else versions.set(key, { uid: object.uid, resourceVersion: object.resourceVersion });
    }
    return versions;
  }

  /** The objects of a scope right now, whatever is changed while they are read. */
  snapshot(scope: number, range: { after?: string; before?: string } = {}): Snapshot {
    // Captured before the read transaction begins: a batch that the writer commits in between is in both.
    const changes = this.#changes(scope);
    const db = this.#readers.pop() ?? this.#connect();
    db.exec("BEGIN");
    // BEGIN is deferred: the first read is what pins the state.
    db.prepare(SLICE_SQL).get(-1, "", "");
    return createSnapshot(
      { db, scope, changes },
      { after: range.after ?? "", before: range.before },
      () => {
        db.exec("COMMIT");
        if (this.#closed) db[Symbol.dispose]();
        else this.#readers.push(db);
      },
    );
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

  /** A kept answer; a damaged one counts as not kept. */
  kept(key: string): KeptAnswer | undefined {
    for (const overlay of this.#behind.unwritten) {
      const answer = overlay.kept.get(key);
      if (answer !== undefined) return answer ?? undefined;
    }
    const row = this.#read((db) =>
      db.prepare("SELECT status, headers, rv, at, sum, body FROM kept WHERE key = ?").get(key)
    );
    if (row === undefined) return undefined;
    const body = row.body as Uint8Array;
    if (checksum(body) !== Number(row.sum)) return undefined;
    return {
      status: Number(row.status),
      headers: JSON.parse(String(row.headers)),
      body,
      resourceVersion: String(row.rv),
      atMs: Number(row.at),
    };
  }

  /** The keys of kept answers that begin with `prefix`, sorted. */
  keptKeys(prefix: string): string[] {
    const rows = this.#read((db) =>
      db.prepare("SELECT key FROM kept WHERE key >= ? AND key < ?").all(
        prefix,
        prefix + "\u{10ffff}",
      )
    );
    const keys = new Set(rows.map((row) => String(row.key)));
    for (const overlay of this.#behind.unwritten.toReversed()) {
      for (const [key, answer] of overlay.kept) {
        if (!key.startsWith(prefix)) continue;
        if (answer === null) keys.delete(key);
        else keys.add(key);
      }
    }
    return [...keys].sort();
  }

  /** Resolves when little is unwritten, so that a first list does not pile up in memory. */
  settled(): Promise<void> {
    return this.#behind.settled();
  }

  #read<T>(read: (db: Database) => T): T {
    const db = this.#readers.pop() ?? this.#connect();
    try {
      return read(db);
    } finally {
      this.#readers.push(db);
    }
  }

  #connect(): Database {
    return openDatabase(this.#path, { readOnly: true });
  }

  /** Writes what is unwritten, once, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // The writer is the last to close: that empties and removes the write-ahead log.
    for (const reader of this.#readers.splice(0)) reader[Symbol.dispose]();
    await this.#behind[Symbol.asyncDispose]();
  }
}
