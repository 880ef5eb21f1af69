import { crc32 } from "node:zlib";
import type { Database } from "../../platform/sqlite.ts";
import { addToTally, itemChecksum, keptChecksum, scopeChecksum, type Tally } from "./checksum.ts";
import {
  isSealedKept,
  isSealedResource,
  itemPlace,
  keptPlace,
  PLAIN,
  SEALED,
  type Sealer,
} from "./sealer.ts";

/** Rows that are converted at a time, to bound the memory. */
const ROWS = 200;

const NEW_COLUMNS = `
  ALTER TABLE scopes ADD COLUMN count INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE scopes ADD COLUMN digest INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE scopes ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE items ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE kept ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE meta (name TEXT NOT NULL UNIQUE, value BLOB NOT NULL) STRICT;
`;

/**
 * Version 1 to 2, in one transaction: checksums cover whole rows, scopes know what they add up to, and
 * Secrets are sealed; what lay here in the clear is overwritten. A row that was damaged stays so.
 */
export function migrateFrom1(db: Database, sealer: Sealer): void {
  db.exec("PRAGMA secure_delete = ON");
  db.prepare("BEGIN IMMEDIATE").run();
  try {
    db.exec(NEW_COLUMNS);
    const scopes = db.prepare("SELECT * FROM scopes").all();
    const sealed = new Set(
      scopes.filter(({ key }) => isSecretsKey(String(key))).map(({ id }) => Number(id)),
    );
    const tallies = migrateItems(db, sealer, sealed);
    migrateKept(db, sealer);
    const update = db.prepare("UPDATE scopes SET count = ?, digest = ?, sum = ? WHERE id = ?");
    for (const row of scopes) {
      const id = Number(row.id);
      const tally = tallies.get(id) ?? { count: 0, digest: 0 };
      const sum = scopeChecksum({
        id,
        key: String(row.key),
        rv: String(row.rv),
        changeRv: String(row.change_rv),
        complete: Number(row.complete) === 1,
        head: String(row.head),
        ...tally,
      });
      update.run(tally.count, tally.digest, sum, id);
    }
    db.exec("PRAGMA user_version = 2");
    db.prepare("COMMIT").run();
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
  // The log still holds pages, and the file those that are to be overwritten.
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.exec("PRAGMA secure_delete = FAST");
}

function migrateItems(db: Database, sealer: Sealer, sealed: Set<number>): Map<number, Tally> {
  const tallies = new Map<number, Tally>();
  const update = db.prepare("UPDATE items SET sum = ?, body = ?, form = ? WHERE rowid = ?");
  eachRow(db, "items", (row) => {
    const [scope, body] = [Number(row.scope), row.body as Uint8Array];
    const place = { scope, key: String(row.key), uid: String(row.uid), rv: String(row.rv) };
    const form = sealed.has(scope) ? SEALED : PLAIN;
    const stored = form === SEALED ? sealer.seal(body, itemPlace(place)) : body;
    const sum = keepDamage(row, itemChecksum({ ...place, form, body: stored }));
    tallies.set(scope, addToTally(tallies.get(scope) ?? { count: 0, digest: 0 }, sum, 1));
    update.run(sum, stored, form, Number(row.rowid));
  });
  return tallies;
}

function migrateKept(db: Database, sealer: Sealer): void {
  const update = db.prepare("UPDATE kept SET sum = ?, body = ?, form = ? WHERE rowid = ?");
  eachRow(db, "kept", (row) => {
    const place = {
      key: String(row.key),
      status: Number(row.status),
      headers: String(row.headers),
      rv: String(row.rv),
      at: Number(row.at),
    };
    const body = row.body as Uint8Array;
    const form = isSealedKept(place.key) ? SEALED : PLAIN;
    const stored = form === SEALED ? sealer.seal(body, keptPlace(place)) : body;
    const sum = keepDamage(row, keptChecksum({ ...place, form, body: stored }));
    update.run(sum, stored, form, Number(row.rowid));
  });
}

function eachRow(db: Database, table: string, visit: (row: Record<string, unknown>) => void): void {
  const select = db.prepare(
    `SELECT rowid, * FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${ROWS}`,
  );
  for (let rows = select.all(-1); rows.length > 0; rows = select.all(Number(rows.at(-1)!.rowid))) {
    rows.forEach(visit);
  }
}

/** The new checksum, or a wrong one where the old one was: version 1 had only that of the body. */
function keepDamage({ body, sum }: Record<string, unknown>, next: number): number {
  return crc32(body as Uint8Array) === Number(sum) ? next : (next ^ 1) >>> 0;
}

/** Whether the key of a scope (JSON whose second part is the resource) is of Secrets. */
function isSecretsKey(key: string): boolean {
  try {
    const [, gvr] = JSON.parse(key) as unknown[];
    const [resource = "", , group = ""] = String(gvr).split("/").reverse();
    return isSealedResource({ group, resource });
  } catch {
    return false;
  }
}
