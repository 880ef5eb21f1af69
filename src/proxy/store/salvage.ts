import { type Database, isDamagedFile, openDatabase } from "../../platform/sqlite.ts";
import { addToTally, itemChecksum, keptChecksum, type Tally } from "./checksum.ts";
import { ITEM_COLUMNS, KEPT_COLUMNS, SCOPE_COLUMNS, toScopeRow } from "./rows.ts";
import { inspect, SCHEMA_VERSION } from "./schema.ts";

/** What could be carried over. */
export interface Salvaged {
  scopes: number;
  answers: number;
}

const ROWS = 200;

/**
 * Copies what still adds up from a damaged file into a new one: whole scopes and single answers. A node
 * that is cut off could fetch none of it again.
 *
 * @param salvaged is counted up
 * @throws when the new one can't be written; what is in it by then is whole
 */
export function salvage(damaged: string, db: Database, salvaged: Salvaged): void {
  try {
    using old = openDatabase(damaged, { readOnly: true });
    if (inspect(old).version !== SCHEMA_VERSION) return;
    copyMarks(old, db);
    for (const row of tryRead(() => old.prepare(`SELECT ${SCOPE_COLUMNS} FROM scopes`).all())) {
      if (copyScope(old, db, row)) salvaged.scopes++;
    }
    for (const { key } of tryRead(() => old.prepare("SELECT key FROM kept").all())) {
      if (copyAnswer(old, db, String(key))) salvaged.answers++;
    }
  } catch (error) {
    // What is there by now is whole.
    if (!isDamagedFile(error)) throw error;
  }
}

/** Nothing where the file can't be read. */
function tryRead(read: () => Record<string, unknown>[]): Record<string, unknown>[] {
  try {
    return read();
  } catch (error) {
    if (isDamagedFile(error)) return [];
    throw error;
  }
}

function copyMarks(old: Database, db: Database): void {
  const insert = db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  for (const { name, value } of tryRead(() => old.prepare("SELECT * FROM meta").all())) {
    insert.run(String(name), value as Uint8Array);
  }
}

/** All of a scope in one transaction, or nothing. */
function copyScope(old: Database, db: Database, row: Record<string, unknown>): boolean {
  const scope = toScopeRow(row);
  if (scope === undefined || !scope.complete) return false;
  const select = old.prepare(
    `SELECT ${ITEM_COLUMNS} FROM items WHERE scope = ? AND key > ? ORDER BY key LIMIT ${ROWS}`,
  );
  const insert = db.prepare(`INSERT INTO items (${ITEM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`);
  let tally: Tally = { count: 0, digest: 0 };
  db.exec("BEGIN IMMEDIATE");
  try {
    let items = select.all(scope.id, "");
    while (items.length > 0) {
      let after = "";
      for (const item of items) {
        const { key, uid, rv } = item as Record<string, string>;
        const [form, sum, body] = [Number(item.form), Number(item.sum), item.body as Uint8Array];
        if (itemChecksum({ scope: scope.id, key: key!, uid: uid!, rv: rv!, form, body }) !== sum) {
          throw new DoesNotAddUp();
        }
        tally = addToTally(tally, sum, 1);
        insert.run(scope.id, key!, uid!, rv!, sum, body, form);
        after = key!;
      }
      items = items.length < ROWS ? [] : select.all(scope.id, after);
    }
    if (tally.count !== scope.count || tally.digest !== scope.digest) throw new DoesNotAddUp();
    db.prepare(`INSERT INTO scopes (${SCOPE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      ...SCOPE_COLUMNS.split(", ").map((name) => row[name] as string | number),
    );
    db.exec("COMMIT");
    return true;
  } catch (error) {
    db.exec("ROLLBACK");
    if (error instanceof DoesNotAddUp || isDamagedFile(error)) return false;
    throw error;
  }
}

class DoesNotAddUp extends Error {}

function copyAnswer(old: Database, db: Database, key: string): boolean {
  const select = old.prepare(`SELECT ${KEPT_COLUMNS} FROM kept WHERE key = ?`);
  const [row] = tryRead(() => select.all(key));
  if (row === undefined) return false;
  const sum = keptChecksum({
    key,
    status: Number(row.status),
    headers: String(row.headers),
    rv: String(row.rv),
    at: Number(row.at),
    form: Number(row.form),
    body: row.body as Uint8Array,
  });
  if (sum !== Number(row.sum)) return false;
  db.prepare(`INSERT INTO kept (${KEPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`).run(
    ...KEPT_COLUMNS.split(", ").map((name) => row[name] as string | number),
  );
  return true;
}
