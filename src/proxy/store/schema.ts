import type { Database } from "../../platform/sqlite.ts";

/** Version of the tables below, kept in `PRAGMA user_version`. */
export const SCHEMA_VERSION = 1;

/**
 * The tables of `state.db`.
 *
 * `scopes`: one row per mirrored collection; `complete` = 0 while its first list is still coming in.
 * `items`: the objects of a scope. `kept`: whole answers (GETs, discovery) by key.
 * A resourceVersion is TEXT: node:sqlite throws on integers above 2^53.
 */
const TABLES = `
  CREATE TABLE scopes (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, rv TEXT NOT NULL, change_rv TEXT NOT NULL,
    complete INTEGER NOT NULL, head TEXT NOT NULL
  ) STRICT;
  CREATE TABLE items (
    scope INTEGER NOT NULL, key TEXT NOT NULL, uid TEXT NOT NULL, rv TEXT NOT NULL,
    sum INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (scope, key)
  ) STRICT;
  CREATE TABLE kept (
    key TEXT NOT NULL UNIQUE, status INTEGER NOT NULL, headers TEXT NOT NULL, rv TEXT NOT NULL,
    at INTEGER NOT NULL, sum INTEGER NOT NULL, body BLOB NOT NULL
  ) STRICT;
`;

/** A change of the database, made by the main thread and carried out by the writer. */
export type Operation =
  | {
    op: "scope";
    id: number;
    key: string;
    rv: string;
    changeRv: string;
    complete: boolean;
    head: string;
  }
  | { op: "put"; scope: number; key: string; uid: string; rv: string; body: Uint8Array }
  | { op: "remove"; scope: number; key: string }
  | {
    op: "keep";
    key: string;
    status: number;
    headers: string;
    rv: string;
    at: number;
    body: Uint8Array;
  }
  | { op: "forget"; key: string };

/**
 * Makes an empty file a state database, or checks one that is there.
 *
 * @throws when the file is damaged, foreign or of another schema version
 */
export function prepareDatabase(db: Database): void {
  const version = Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n ?? 0);
  if (version === 0 && tables === 0) {
    // Must come before the first table.
    db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    db.exec("PRAGMA journal_mode = WAL");
    db.exec(`BEGIN; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } else if (version !== SCHEMA_VERSION) {
    // An emptied file passes quick_check: the version tells.
    throw new Error(
      `the file is not a database: its schema version is ${version}, not ${SCHEMA_VERSION}`,
    );
  } else {
    // Not quick_check: it does not compare indexes with their tables, and a list that is read through a
    // damaged index would be shorter without any error.
    const verdict = String(
      db.prepare("PRAGMA integrity_check(1)").get()?.integrity_check ?? "no answer",
    );
    if (verdict !== "ok") throw new Error(`the file is malformed: ${verdict}`);
  }
  db.exec("PRAGMA journal_mode = WAL");
  // With WAL, NORMAL loses at most the last commits on a power cut and never corrupts; a lost
  // commit is fetched again by resourceVersion.
  db.exec("PRAGMA synchronous = NORMAL");
  db.exec("PRAGMA journal_size_limit = 4194304");
  // What a first list left when the process died in the middle of it.
  db.exec(`BEGIN;
    DELETE FROM items WHERE scope NOT IN (SELECT id FROM scopes WHERE complete = 1);
    DELETE FROM scopes WHERE complete = 0;
    COMMIT`);
}
