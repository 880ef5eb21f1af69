import { AgentError } from "../../kernel/errors.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import type { Database, Statement } from "../../platform/sqlite.ts";
import { addToTally, type Tally } from "./checksum.ts";
import { DamagedError, ITEM_COLUMNS, SCOPE_COLUMNS, toObject, toScopeRow } from "./rows.ts";
import type { Sealer } from "./sealer.ts";

/** A list that was read too slowly: the file must not wait for it. */
export class CutError extends AgentError {
  readonly code = "cut";
}

/** Objects of a scope at one resourceVersion, in the order of their keys, a slice at a time. */
export interface Snapshot extends Disposable {
  /** The next objects; empty at the end. @throws {DamagedError} */
  next(): StoredObject[];
}

/** Rows per slice: long enough to amortize a statement, short enough not to stall others. */
const SLICE_ROWS = 64;

/** The SELECT behind a snapshot: objects behind a key, up to a bound. */
export const SLICE_SQL = `SELECT ${ITEM_COLUMNS} FROM items
  WHERE scope = ? AND key > ? AND key < ? ORDER BY key LIMIT ${SLICE_ROWS}`;

/** Above every key: keys are names and namespaces, which are ASCII. */
const END = "\u{10ffff}";

/** What the list of a scope must add up to; undefined while the file has not all of it. */
export function expectedTally(db: Database, scope: number): Tally | undefined {
  const row = db.prepare(`SELECT ${SCOPE_COLUMNS} FROM scopes WHERE id = ?`).get(scope);
  if (row === undefined) return undefined;
  const found = toScopeRow(row);
  if (found === undefined) throw new DamagedError("", "The row of a stored scope is damaged");
  return found.complete ? found : undefined;
}

/** @throws {DamagedError} when rows are missing, or are there that should not be */
export function checkTally(found: Tally, expected: Tally | undefined): void {
  if (expected === undefined) return;
  if (found.count === expected.count && found.digest === expected.digest) return;
  throw new DamagedError(
    "",
    `A stored list does not add up: it has ${found.count} objects, and was written with ${expected.count}`,
  );
}

/**
 * The file's state merged with changes that are not in the file yet.
 *
 * @param release gives the connection, on which a read transaction is open, back
 */
export function createSnapshot(
  source: {
    db: Database;
    sealer: Sealer;
    scope: number;
    changes: ReadonlyMap<string, StoredObject | null>;
    counted: boolean;
  },
  range: { after: string; before?: string },
  release: () => void,
): Snapshot & { cut(): void } {
  const { db, sealer, scope, changes, counted } = source;
  const slice: Statement = db.prepare(SLICE_SQL);
  const before = range.before ?? END;
  const isWhole = counted && range.after === "" && range.before === undefined;
  const expected = isWhole ? expectedTally(db, scope) : undefined;
  let tally: Tally = { count: 0, digest: 0 };
  const changed = [...changes.keys()]
    .filter((key) => key > range.after && key < before)
    .sort((a, b) => (a < b ? -1 : 1));
  let after = range.after;
  let ended = false;
  let open = true;
  let cut = false;
  const close = () => {
    if (!open) return;
    open = false;
    release();
  };
  const read = (): StoredObject[] =>
    slice.all(scope, after, before).map((row) => {
      tally = addToTally(tally, Number(row.sum), 1);
      // A row that is replaced anyway may be damaged: reading it would only tell about the past.
      if (changes.has(String(row.key))) return unread(String(row.key));
      return toObject(row, sealer);
    });
  return {
    next() {
      if (cut) throw new CutError("A stored list was read too slowly: it has ended");
      while (open) {
        const rows = ended ? [] : read();
        ended ||= rows.length < SLICE_ROWS;
        const last = rows.at(-1);
        if (last !== undefined) after = last.key;
        if (ended) checkTally(tally, expected);
        const merged = mergeChanges(rows, changed, changes, ended ? END : after);
        if (ended) close();
        if (merged.length > 0 || ended) return merged;
      }
      return [];
    },
    cut() {
      cut = open;
      close();
    },
    [Symbol.dispose]: close,
  };
}

/** Stands for a row that a change replaces. */
function unread(key: string): StoredObject {
  return { key, uid: "", resourceVersion: "", body: new Uint8Array(0) };
}

/** Consumes the changed keys up to `upTo` from the front of `changed` and lays them over the rows. */
function mergeChanges(
  rows: StoredObject[],
  changed: string[],
  changes: ReadonlyMap<string, StoredObject | null>,
  upTo: string,
): StoredObject[] {
  let count = 0;
  while (count < changed.length && changed[count]! <= upTo) count++;
  if (count === 0) return rows;
  const due = changed.splice(0, count);
  const overridden = new Set(due);
  const merged = rows.filter((row) => !overridden.has(row.key));
  for (const key of due) {
    const object = changes.get(key);
    if (object) merged.push(object);
  }
  return merged.sort((a, b) => (a.key < b.key ? -1 : 1));
}
