import type { StoredObject } from "../../kube/object_meta.ts";
import { AgentError } from "../../kernel/errors.ts";
import type { Database, Statement } from "../../platform/sqlite.ts";
import { checksum } from "./checksum.ts";

/** A stored body does not match its checksum. */
export class DamagedError extends AgentError {
  readonly code = "damaged";
  /** Key of the object in its scope. */
  readonly key: string;
  constructor(key: string) {
    super(`The stored copy of "${key}" does not match its checksum`);
    this.key = key;
  }
}

/** Objects of a scope at one resourceVersion, in the order of their keys, a slice at a time. */
export interface Snapshot extends Disposable {
  /** The next objects; empty at the end. @throws {DamagedError} */
  next(): StoredObject[];
}

/** Rows per slice: long enough to amortize a statement, short enough not to stall others. */
const SLICE_ROWS = 64;

/** Reads a row of `items`. @throws {DamagedError} */
export function toObject(row: Record<string, unknown>): StoredObject {
  const body = row.body as Uint8Array;
  if (checksum(body) !== Number(row.sum)) {
    throw new DamagedError(String(row.key));
  }
  return { key: String(row.key), uid: String(row.uid), resourceVersion: String(row.rv), body };
}

/** The SELECT behind a snapshot: objects behind a key, up to a bound. */
export const SLICE_SQL = `SELECT key, uid, rv, sum, body FROM items
  WHERE scope = ? AND key > ? AND key < ? ORDER BY key LIMIT ${SLICE_ROWS}`;

/** Above every key: keys are names and namespaces, which are ASCII. */
const END = "\u{10ffff}";

/**
 * The file's state merged with changes that are not in the file yet.
 *
 * @param release gives the connection, on which a read transaction is open, back
 */
export function createSnapshot(
  source: { db: Database; scope: number; changes: ReadonlyMap<string, StoredObject | null> },
  range: { after: string; before?: string },
  release: () => void,
): Snapshot {
  const slice: Statement = source.db.prepare(SLICE_SQL);
  const before = range.before ?? END;
  const changed = [...source.changes.keys()]
    .filter((key) => key > range.after && key < before)
    .sort((a, b) => (a < b ? -1 : 1));
  let after = range.after;
  let ended = false;
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    release();
  };
  return {
    next() {
      while (open) {
        const rows: StoredObject[] = ended
          ? []
          : slice.all(source.scope, after, before).map(toObject);
        ended ||= rows.length < SLICE_ROWS;
        const last = rows.at(-1);
        if (last !== undefined) after = last.key;
        const merged = mergeChanges(rows, changed, source.changes, ended ? END : after);
        if (ended) close();
        if (merged.length > 0 || ended) return merged;
      }
      return [];
    },
    [Symbol.dispose]: close,
  };
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
