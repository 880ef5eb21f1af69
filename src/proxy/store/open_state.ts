import { errorMessage } from "../../kernel/errors.ts";
import {
  type Database,
  isDamagedFile,
  isDirectory,
  openDatabase,
  removeDatabase,
  renameDatabase,
} from "../../platform/sqlite.ts";
import { SCOPE_COLUMNS, toScopeRow } from "./rows.ts";
import { salvage, type Salvaged } from "./salvage.ts";
import { prepareDatabase } from "./schema.ts";
import { SEALED, type Sealer, UnreadableError } from "./sealer.ts";

/** A file that was moved out of the way, and what of it could be carried over. */
export interface SetAside extends Salvaged {
  path: string;
  reason: string;
}

/** An open state file. */
export interface OpenState {
  db: Database;
  setAside?: SetAside;
  /** Rows that were sealed with another key, and so were of no use any more. */
  unreadable: number;
}

/** Opens the database; a damaged one is renamed, never deleted, and a new one takes its place. */
export function openOrSetAside(path: string, sealer: Sealer): OpenState {
  if (isDirectory(path)) return beginAnew(path, sealer, "damaged", "it is a directory");
  const db = openDatabase(path);
  try {
    prepareDatabase(db, sealer);
    return { db, unreadable: dropUseless(db, sealer) };
  } catch (error) {
    db[Symbol.dispose]();
    if (!isDamagedFile(error)) throw error;
    return beginAnew(path, sealer, "damaged", errorMessage(error));
  }
}

/** Where the successor of a damaged file waits until nobody reads that any more. */
export function successorOf(path: string): string {
  return `${path}.new`;
}

/** Makes the successor of a damaged file, with what of it still adds up. @throws when there is no room for it */
export function makeSuccessor(path: string, sealer: Sealer): Salvaged {
  const successor = successorOf(path);
  const salvaged = { scopes: 0, answers: 0 };
  removeDatabase(successor);
  try {
    using db = openDatabase(successor);
    prepareDatabase(db, sealer);
    salvage(path, db, salvaged);
    return salvaged;
  } catch (error) {
    removeDatabase(successor);
    throw error;
  }
}

/**
 * Moves what is at the path out of the way.
 *
 * @param why a word for its new name; only what is `damaged` is carried over as far as it adds up: what is
 * `foreign` is of another cluster, and scopes of a `superseded` one have numbers that mean others by now
 */
export function beginAnew(
  path: string,
  sealer: Sealer,
  why: "damaged" | "foreign" | "superseded",
  reason: string,
): OpenState {
  const aside = renameDatabase(path, why);
  const db = openDatabase(path);
  prepareDatabase(db, sealer);
  if (aside === undefined) return { db, unreadable: dropUseless(db, sealer) };
  const salvaged = { scopes: 0, answers: 0 };
  try {
    if (why === "damaged") salvage(aside, db, salvaged);
  } catch {
    // The disk is full as well: what is there by now is whole, and must do.
  }
  const setAside = { path: aside, reason, ...salvaged };
  return { db, setAside, unreadable: dropUseless(db, sealer) };
}

const CHECK = new TextEncoder().encode("edge-agent");
const CHECK_PLACE = "meta key-check";

/**
 * Removes what nobody can read: scopes whose row is damaged, and everything that was sealed with another
 * key. Such a scope counts as never listed, such an answer as not kept.
 */
function dropUseless(db: Database, sealer: Sealer): number {
  const useless = db.prepare(`SELECT ${SCOPE_COLUMNS} FROM scopes`).all()
    .filter((row) => toScopeRow(row) === undefined).map(({ id }) => Number(id));
  const mark = db.prepare("SELECT value FROM meta WHERE name = 'key-check'").get()?.value;
  const wrongKey = mark !== undefined && !opens(sealer, mark as Uint8Array);
  let unreadable = 0;
  db.exec("BEGIN IMMEDIATE");
  if (wrongKey) {
    for (const table of ["items", "kept"]) {
      const count = db.prepare(`SELECT count(*) AS n FROM ${table} WHERE form = ?`).get(SEALED);
      unreadable += Number(count?.n);
    }
    const sealed = db.prepare("SELECT DISTINCT scope FROM items WHERE form = ?").all(SEALED);
    useless.push(...sealed.map(({ scope }) => Number(scope)));
    db.prepare("DELETE FROM kept WHERE form = ?").run(SEALED);
  }
  if (mark === undefined || wrongKey) {
    db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('key-check', ?)")
      .run(sealer.seal(CHECK, CHECK_PLACE));
  }
  for (const id of useless) {
    db.prepare("DELETE FROM items WHERE scope = ?").run(id);
    db.prepare("DELETE FROM scopes WHERE id = ?").run(id);
  }
  db.exec("COMMIT");
  return unreadable;
}

function opens(sealer: Sealer, mark: Uint8Array): boolean {
  try {
    sealer.unseal(mark, CHECK_PLACE);
    return true;
  } catch (error) {
    if (error instanceof UnreadableError) return false;
    throw error;
  }
}
