import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

/** A value that goes into or comes out of a statement. Integers above 2^53 are not used: they throw. */
export type SqlValue = SQLInputValue;

/** A prepared statement. There is no `iterate()`: it ends silently early on a corrupt file. */
export interface Statement {
  all(...values: SqlValue[]): Record<string, unknown>[];
  get(...values: SqlValue[]): Record<string, unknown> | undefined;
  run(...values: SqlValue[]): void;
}

/** An open SQLite database. Calls block; writers live in a Worker. */
export interface Database extends Disposable {
  exec(sql: string): void;
  prepare(sql: string): Statement;
}

/** Opens a database file. Nothing is read before the first statement. */
export function openDatabase(path: string, options: { readOnly?: boolean } = {}): Database {
  // SQLite gives its other files the mode of this one.
  if (!options.readOnly) restrictToOwner(path);
  const db = new DatabaseSync(path, { readOnly: options.readOnly ?? false, timeout: 5_000 });
  return {
    exec: (sql) => db.exec(sql),
    prepare: (sql) => wrap(db.prepare(sql)),
    [Symbol.dispose]: () => db.close(),
  };
}

/** Makes the file, if need be, and readable to its owner alone. */
function restrictToOwner(path: string): void {
  Deno.openSync(path, { create: true, write: true, mode: 0o600 }).close();
  Deno.chmodSync(path, 0o600);
}

function wrap(statement: StatementSync): Statement {
  return {
    all: (...values) => statement.all(...values) as Record<string, unknown>[],
    get: (...values) => statement.get(...values) as Record<string, unknown> | undefined,
    run: (...values) => void statement.run(...values),
  };
}

/** Whether an error of a statement says that the file itself is damaged (SQLITE_CORRUPT, SQLITE_NOTADB). */
export function isDamagedFile(error: unknown): boolean {
  const errcode = (error as { errcode?: unknown } | null)?.errcode;
  const message = error instanceof Error ? error.message : "";
  return errcode === 11 || errcode === 26 || /malformed|not a database/.test(message);
}

/** Moves a database file and its journal out of the way; the path under which it is kept. */
export function renameDatabase(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  Deno.renameSync(path, aside);
  for (const suffix of ["-wal", "-shm"]) {
    try {
      Deno.renameSync(path + suffix, aside + suffix);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return aside;
}
