import type { StoredObject } from "../../kube/object_meta.ts";
import type { Database } from "../../platform/sqlite.ts";
import { addToTally, type Tally } from "./checksum.ts";
import type { KeptAnswer, ScopeRow } from "./overlay.ts";
import { ITEM_COLUMNS, KEPT_COLUMNS, SCOPE_COLUMNS, toKept, toObject, toScopeRow } from "./rows.ts";
import type { Sealer } from "./sealer.ts";
import { checkTally, expectedTally } from "./snapshot.ts";

/** What is known of an object without its body. */
export interface ObjectVersion {
  uid: string;
  resourceVersion: string;
}

/** Every complete scope. */
export function readScopes(db: Database): ScopeRow[] {
  const rows = db.prepare(`SELECT ${SCOPE_COLUMNS} FROM scopes WHERE complete = 1`).all();
  return rows.flatMap((row) => {
    const scope = toScopeRow(row);
    if (scope === undefined) return [];
    const { count: _, digest: __, ...rest } = scope;
    return [rest];
  });
}

/** How many objects a scope holds, at most `limit`. */
export function countObjects(db: Database, scope: number, limit: number): number {
  const row = db.prepare("SELECT count(*) AS n FROM (SELECT 1 FROM items WHERE scope = ? LIMIT ?)")
    .get(scope, limit);
  return Number(row?.n);
}

/** One object. @throws {DamagedError} */
export function readObject(
  db: Database,
  sealer: Sealer,
  scope: number,
  key: string,
): StoredObject | undefined {
  const row = db.prepare(`SELECT ${ITEM_COLUMNS} FROM items WHERE scope = ? AND key = ?`)
    .get(scope, key);
  return row && toObject(row, sealer);
}

/**
 * Key -> version of every object of a scope.
 *
 * @param options `counted`: whether they must add up
 * @throws {DamagedError} when some are missing
 */
export function readVersions(
  db: Database,
  scope: number,
  { counted }: { counted: boolean },
): Map<string, ObjectVersion> {
  const versions = new Map<string, ObjectVersion>();
  let tally: Tally = { count: 0, digest: 0 };
  db.exec("BEGIN");
  let expected: Tally | undefined;
  try {
    const rows = db.prepare("SELECT key, uid, rv, sum FROM items WHERE scope = ?").all(scope);
    for (const { key, uid, rv, sum } of rows) {
      tally = addToTally(tally, Number(sum), 1);
      versions.set(String(key), { uid: String(uid), resourceVersion: String(rv) });
    }
    if (counted) expected = expectedTally(db, scope);
  } finally {
    db.exec("COMMIT");
  }
  checkTally(tally, expected);
  return versions;
}

/** A kept answer; one that is damaged or can't be unsealed counts as not kept. */
export function readKept(db: Database, sealer: Sealer, key: string): KeptAnswer | undefined {
  const row = db.prepare(`SELECT ${KEPT_COLUMNS} FROM kept WHERE key = ?`).get(key);
  return row && toKept(row, sealer);
}

/** The keys of kept answers that begin with `prefix`. */
export function readKeptKeys(db: Database, prefix: string): string[] {
  return db.prepare("SELECT key FROM kept WHERE key >= ? AND key < ?")
    .all(prefix, prefix + "\u{10ffff}").map(({ key }) => String(key));
}

/** The keys of all kept answers, oldest first, each with the resourceVersion of its object. */
export function readKeptByAge(db: Database): { key: string; resourceVersion: string }[] {
  return db.prepare("SELECT key, rv FROM kept ORDER BY at").all()
    .map(({ key, rv }) => ({ key: String(key), resourceVersion: String(rv) }));
}
