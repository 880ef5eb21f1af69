import type { Database } from "../../platform/sqlite.ts";
import { addToTally, itemChecksum, keptChecksum, scopeChecksum, type Tally } from "./checksum.ts";
import type { ScopeRow } from "./overlay.ts";
import { SCOPE_COLUMNS, toScopeRow } from "./rows.ts";
import type { Operation } from "./schema.ts";
import { isSealedKept, itemPlace, keptPlace, PLAIN, SEALED, type Sealer } from "./sealer.ts";

/** A scope that a batch touches; a row only once one was saved. */
interface Touched {
  row?: ScopeRow;
  /** Undefined when it must be counted. */
  tally: Tally | undefined;
}

/** Carries out batches, each in one transaction. */
export class BatchWriter {
  readonly #db: Database;
  readonly #sealer: Sealer;
  readonly #statements: ReturnType<typeof prepareStatements>;
  /** By the batch that is being written. */
  #touched = new Map<number, Touched>();
  /** Forgotten scopes of which objects may be left. */
  readonly #leftovers = new Set<number>();

  constructor(db: Database, sealer: Sealer) {
    this.#db = db;
    this.#sealer = sealer;
    this.#statements = prepareStatements(db);
  }

  /** Whether forgotten objects are still to be deleted. */
  get hasLeftovers(): boolean {
    return this.#leftovers.size > 0;
  }

  /** @throws what the disk says; then nothing of the batch was written */
  write(operations: readonly Operation[]): void {
    this.#touched = new Map();
    const dropped: number[] = [];
    this.#transaction(() => {
      for (const operation of operations) {
        this.#run(operation);
        if (operation.op === "drop") dropped.push(operation.scope);
      }
      for (const touched of this.#touched.values()) this.#saveScope(touched);
    });
    for (const id of dropped) this.#leftovers.add(id);
  }

  /** Deletes up to `rows` objects of forgotten scopes. */
  sweep(rows: number): void {
    const { sweep, changes } = this.#statements;
    for (const id of this.#leftovers) {
      sweep.run(id, rows);
      if (Number(changes.get()?.n) < rows) this.#leftovers.delete(id);
      return;
    }
  }

  /** Forgets kept answers. */
  forget(keys: readonly string[]): void {
    this.#transaction(() => {
      for (const key of keys) this.#statements.forget.run(key);
    });
  }

  #transaction(run: () => void): void {
    const { begin, commit } = this.#statements;
    begin.run();
    try {
      run();
      commit.run();
    } catch (error) {
      try {
        this.#db.exec("ROLLBACK");
      } catch {
        // SQLite rolls back by itself on some errors (disk full): nothing left to undo.
      }
      throw error;
    }
  }

  #run(o: Operation): void {
    const { remove, keep, forget, drop } = this.#statements;
    switch (o.op) {
      case "scope":
        return this.#take(o);
      case "drop":
        return drop.run(o.scope);
      case "put":
        return this.#put(o);
      case "remove":
        this.#replace(o.scope, o.key, undefined);
        return remove.run(o.scope, o.key);
      case "keep": {
        const form = isSealedKept(o.key) ? SEALED : PLAIN;
        const body = form === SEALED ? this.#sealer.seal(o.body, keptPlace(o)) : o.body;
        const sum = keptChecksum({ ...o, form, body });
        return keep.run(o.key, o.status, o.headers, o.rv, o.at, sum, body, form);
      }
      case "forget":
        return forget.run(o.key);
      default:
        return o satisfies never;
    }
  }

  #take({ op: _, recount, ...row }: Operation & { op: "scope" }): void {
    const before = this.#scope(row.id);
    // A list that has just become whole is counted, whatever an earlier one left or lost.
    const begins = row.complete && (recount || before.row?.complete !== true);
    this.#touched.set(row.id, { row, tally: begins ? undefined : before.tally });
  }

  #put(o: Operation & { op: "put" }): void {
    const form = o.sealed ? SEALED : PLAIN;
    const body = o.sealed ? this.#sealer.seal(o.body, itemPlace(o)) : o.body;
    const sum = itemChecksum({ ...o, form, body });
    this.#replace(o.scope, o.key, sum);
    this.#statements.put.run(o.scope, o.key, o.uid, o.rv, sum, body, form);
  }

  /** Keeps the tally of a scope while a row comes, goes or changes. */
  #replace(scope: number, key: string, sum: number | undefined): void {
    const touched = this.#scope(scope);
    if (touched.tally === undefined) return;
    const old = this.#statements.sumOf.get(scope, key)?.sum;
    if (old !== undefined) touched.tally = addToTally(touched.tally, Number(old), -1);
    if (sum !== undefined) touched.tally = addToTally(touched.tally, sum, 1);
  }

  #scope(id: number): Touched {
    let touched = this.#touched.get(id);
    if (touched === undefined) {
      const stored = this.#statements.scopeOf.get(id);
      const { count, digest, ...row } = (stored && toScopeRow(stored)) ?? {};
      touched = count === undefined || digest === undefined
        ? { tally: undefined }
        : { row: row as ScopeRow, tally: { count, digest } };
      this.#touched.set(id, touched);
    }
    return touched;
  }

  #saveScope({ row, tally }: Touched): void {
    if (row === undefined) return;
    const { id, key, rv, changeRv, complete, head } = row;
    const { count, digest } = tally ?? this.#count(id);
    const sum = scopeChecksum({ ...row, count, digest });
    this.#statements.scope.run(id, key, rv, changeRv, complete ? 1 : 0, head, count, digest, sum);
  }

  #count(scope: number): Tally {
    return this.#statements.sums.all(scope).reduce<Tally>(
      (tally, { sum }) => addToTally(tally, Number(sum), 1),
      { count: 0, digest: 0 },
    );
  }
}

function prepareStatements(db: Database) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    changes: db.prepare("SELECT changes() AS n"),
    scope: db.prepare(
      `INSERT INTO scopes (${SCOPE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET rv = excluded.rv, change_rv = excluded.change_rv,
         complete = excluded.complete, head = excluded.head, count = excluded.count,
         digest = excluded.digest, sum = excluded.sum`,
    ),
    scopeOf: db.prepare(`SELECT ${SCOPE_COLUMNS} FROM scopes WHERE id = ?`),
    drop: db.prepare("DELETE FROM scopes WHERE id = ?"),
    sweep: db.prepare(
      "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE scope = ? LIMIT ?)",
    ),
    sumOf: db.prepare("SELECT sum FROM items WHERE scope = ? AND key = ?"),
    sums: db.prepare("SELECT sum FROM items WHERE scope = ?"),
    put: db.prepare(
      `INSERT INTO items (scope, key, uid, rv, sum, body, form) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (scope, key) DO UPDATE SET uid = excluded.uid, rv = excluded.rv,
         sum = excluded.sum, body = excluded.body, form = excluded.form`,
    ),
    remove: db.prepare("DELETE FROM items WHERE scope = ? AND key = ?"),
    keep: db.prepare(
      `INSERT INTO kept (key, status, headers, rv, at, sum, body, form) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET status = excluded.status, headers = excluded.headers,
         rv = excluded.rv, at = excluded.at, sum = excluded.sum, body = excluded.body,
         form = excluded.form`,
    ),
    forget: db.prepare("DELETE FROM kept WHERE key = ?"),
  };
}
