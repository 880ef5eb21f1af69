import type { Clock } from "../../kernel/clock.ts";
import { UnavailableError } from "../../kernel/errors.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { type Database, openDatabase } from "../../platform/sqlite.ts";
import { checksum } from "./checksum.ts";
import { type KeptAnswer, Overlay, type ScopeRow } from "./overlay.ts";
import { createSnapshot, SLICE_SQL, type Snapshot, toObject } from "./snapshot.ts";
import { spawnStateWriter, type WriterReply, type WriterRequest } from "./state_writer.ts";

/** What the store tells its owner. */
export interface StoreEvents {
  /** A damaged file was renamed; the store began empty. */
  setAside(path: string, reason: string): void;
  /** A batch could not be written (disk full, read-only): the changes stay in memory and are tried again. */
  writeFailed(message: string): void;
  /** Writing works again. */
  writeRecovered(): void;
}

/** Changes are committed together, at most this late. */
const FLUSH_MS = 250;
/** Bookmarks alone are committed this late: flash wears out. */
const LAZY_FLUSH_MS = 30_000;
/** Time between tries while the disk refuses to be written. */
const RETRY_MS = 5_000;
/** A first list waits when more than this is not written yet. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

/**
 * `state.db`: what the agent knows, surviving restarts. Reads see every change at once (the file merged
 * with what is not written yet), so a slow or full disk delays nobody.
 */
export class StateStore implements AsyncDisposable {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #events: StoreEvents;
  readonly #writer: Worker;
  readonly #readers: Database[] = [];
  #pending = new Overlay();
  #inFlight: Overlay | undefined;
  #cancelTimer: (() => void) | undefined;
  #flushDue = 0;
  #nextBatch = 1;
  #failing = false;
  #settled: (() => void)[] = [];
  #closed = false;
  #onReply: (reply: WriterReply) => void = () => {};

  private constructor(path: string, clock: Clock, events: StoreEvents) {
    this.#path = path;
    this.#clock = clock;
    this.#events = events;
    this.#writer = spawnStateWriter();
    this.#writer.onmessage = ({ data }: MessageEvent<WriterReply>) => this.#onReply(data);
  }

  /**
   * Opens the file, or begins one. A damaged file is renamed and reported, never deleted.
   *
   * @throws {UnavailableError} when the file can't be made or read
   */
  static async open(path: string, clock: Clock, events: StoreEvents): Promise<StateStore> {
    const store = new StateStore(path, clock, events);
    const reply = await store.#ask({ type: "open", path });
    if (reply.type === "opened") {
      if (reply.setAside) events.setAside(reply.setAside.path, reply.setAside.reason);
      store.#onReply = (reply) => store.#written(reply);
      return store;
    }
    store.#writer.terminate();
    const reason = reply.type === "unusable" ? reply.message : reply.type;
    throw new UnavailableError(
      `Cannot open the state file ${path}: ${reason}; check that its directory is writable and the disk is not full`,
    );
  }

  #ask(request: WriterRequest): Promise<WriterReply> {
    return new Promise((resolve, reject) => {
      this.#onReply = resolve;
      this.#writer.onerror = (event) => {
        event.preventDefault();
        reject(new UnavailableError(`Cannot run the state writer: ${event.message}`));
      };
      this.#writer.postMessage(request);
    });
  }

  /** Why changes are not reaching the disk; undefined when they are. */
  get failing(): boolean {
    return this.#failing;
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
    this.#pending.scopes.set(row.id, row);
    this.#changed(options.lazy ? LAZY_FLUSH_MS : undefined);
  }

  /** Whether a scope holds at most `count` objects. */
  isSmall(scope: number, count: number): boolean {
    const row = this.#read((db) =>
      db.prepare("SELECT count(*) AS n FROM (SELECT 1 FROM items WHERE scope = ? LIMIT ?)")
        .get(scope, count + 1)
    );
    return Number(row?.n) + (this.#pending.items.get(scope)?.size ?? 0) <= count;
  }

  put(scope: number, object: StoredObject): void {
    this.#pending.setItem(scope, object.key, compact(object));
    this.#changed();
  }

  remove(scope: number, key: string): void {
    this.#pending.setItem(scope, key, null);
    this.#changed();
  }

  /** One object. @throws {DamagedError} */
  get(scope: number, key: string): StoredObject | undefined {
    for (const overlay of [this.#pending, this.#inFlight]) {
      const object = overlay?.items.get(scope)?.get(key);
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
    return new Map([
      ...this.#inFlight?.items.get(scope) ?? [],
      ...this.#pending.items.get(scope) ?? [],
    ]);
  }

  keep(key: string, answer: KeptAnswer): void {
    this.#pending.setKept(key, { ...answer, body: answer.body.slice() });
    this.#changed();
  }

  forget(key: string): void {
    this.#pending.setKept(key, null);
    this.#changed();
  }

  /** A kept answer; a damaged one counts as not kept. */
  kept(key: string): KeptAnswer | undefined {
    for (const overlay of [this.#pending, this.#inFlight]) {
      const answer = overlay?.kept.get(key);
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
    for (const overlay of [this.#inFlight, this.#pending]) {
      for (const [key, answer] of overlay?.kept ?? []) {
        if (!key.startsWith(prefix)) continue;
        if (answer === null) keys.delete(key);
        else keys.add(key);
      }
    }
    return [...keys].sort();
  }

  /** Resolves when little is unwritten, so that a first list does not pile up in memory. */
  settled(): Promise<void> {
    const bytes = this.#pending.bytes + (this.#inFlight?.bytes ?? 0);
    if (bytes < HIGH_WATER_BYTES || this.#failing || this.#closed) return Promise.resolve();
    this.#flush();
    return new Promise((resolve) => this.#settled.push(resolve));
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

  /** Sees to it that a flush comes within `delayMs`. */
  #changed(delayMs: number = FLUSH_MS): void {
    const delay = this.#failing ? RETRY_MS : delayMs;
    const due = this.#clock.monotonic() + delay;
    if (this.#cancelTimer !== undefined && this.#flushDue <= due) return;
    this.#cancelTimer?.();
    this.#flushDue = due;
    this.#cancelTimer = this.#clock.timer(delay, () => this.#flush());
  }

  #flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#inFlight !== undefined || this.#pending.isEmpty) return;
    this.#inFlight = this.#pending;
    this.#pending = new Overlay();
    const operations = this.#inFlight.toOperations();
    this.#writer.postMessage(
      { type: "batch", id: this.#nextBatch++, operations } satisfies WriterRequest,
    );
  }

  #written(reply: WriterReply): void {
    if (reply.type === "done") {
      this.#inFlight = undefined;
      if (this.#failing) this.#events.writeRecovered();
      this.#failing = false;
    } else if (reply.type === "failed") {
      const failed = this.#inFlight ?? new Overlay();
      failed.add(this.#pending);
      this.#pending = failed;
      this.#inFlight = undefined;
      if (!this.#failing) this.#events.writeFailed(reply.message);
      this.#failing = true;
    }
    for (const resolve of this.#settled.splice(0)) resolve();
    if (!this.#pending.isEmpty) this.#changed();
  }

  /** Writes what is unwritten, once, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    const rest = this.#inFlight ?? new Overlay();
    rest.add(this.#pending);
    // Writing the batch in flight once more is harmless: every operation is idempotent.
    if (!rest.isEmpty) {
      await new Promise<void>((resolve) => {
        const id = this.#nextBatch++;
        this.#onReply = (reply) => "id" in reply && reply.id === id && resolve();
        const operations = rest.toOperations();
        this.#writer.postMessage({ type: "batch", id, operations } satisfies WriterRequest);
      });
    }
    await this.#ask({ type: "close" });
    this.#writer.terminate();
    for (const reader of this.#readers.splice(0)) reader[Symbol.dispose]();
  }
}

/** Without the rest of the network chunk that the body is a view of. */
function compact(object: StoredObject): StoredObject {
  return { ...object, body: object.body.slice() };
}
