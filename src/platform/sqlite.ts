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
  return open(path, options.readOnly ?? false);
}

/** A database of its own in memory, empty. */
export function openMemoryDatabase(): Database {
  return open(":memory:", false);
}

/**
 * Opens a file of a disk that nobody writes to. Its log, if there is one, is not looked at.
 *
 * @param path absolute
 */
export function openImmutableDatabase(path: string): Database {
  const url = new URL(`file://${path.split("/").map(encodeURIComponent).join("/")}`);
  url.searchParams.set("immutable", "1");
  return open(url, true);
}

function open(path: string | URL, readOnly: boolean): Database {
  const db = new DatabaseSync(path, { readOnly, timeout: 5_000 });
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

/** Whether an error of a statement says that there is no room: the disk's, or the file's own limit. */
export function isFullDisk(error: unknown): boolean {
  return (error as { errcode?: unknown } | null)?.errcode === 13 ||
    error instanceof Error && /disk is full|No space left/.test(error.message);
}

/** Whether there is a directory at a path. */
export function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Files that were moved away are kept for whoever wants to look: the newest of them. */
const KEPT_ASIDE = 2;

/**
 * Moves a database file and its journal out of the way.
 *
 * @param why a word for the new name
 * @returns the path under which it is kept; undefined when there was none
 */
export function renameDatabase(path: string, why: string): string | undefined {
  const aside = `${path}.${why}-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  if (!moveDatabase(path, aside)) return undefined;
  removeOlder(path);
  return aside;
}

/** Gives a database file and its journal another name. @returns whether there was one */
export function moveDatabase(from: string, to: string): boolean {
  const moved = ["", "-wal", "-shm"].filter((suffix) => {
    try {
      Deno.renameSync(from + suffix, to + suffix);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
  return moved.length > 0;
}

/** Removes a database file and its journal; one that is not there is fine. */
export function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    try {
      Deno.removeSync(path + suffix, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function removeOlder(path: string): void {
  const slash = path.lastIndexOf("/");
  const [directory, name] = [path.slice(0, slash), path.slice(slash + 1)];
  const asides = [...Deno.readDirSync(directory)].map((entry) => entry.name)
    .filter((each) => each.startsWith(`${name}.`) && /-\d{4}-[-\dT]+Z$/.test(each))
    .sort((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1));
  for (const old of asides.slice(KEPT_ASIDE)) removeDatabase(`${directory}/${old}`);
}

function timeOf(name: string): string {
  return name.slice(name.search(/-\d{4}-/));
}
