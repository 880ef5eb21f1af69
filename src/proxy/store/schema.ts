import type { Database } from "../../platform/sqlite.ts";
import { migrateFrom1 } from "./migration.ts";
import type { Sealer } from "./sealer.ts";

/** Version of the tables below, kept in `PRAGMA user_version`. */
export const SCHEMA_VERSION = 2;

/**
 * The tables of `state.db`.
 *
 * `scopes`: one row per mirrored collection; `complete` = 0 while its first list is still coming in;
 * `count` and `digest` tell what its list must add up to. `items`: the objects of a scope. `kept`: whole
 * answers (GETs, discovery) by key. `form`: how a body lies here, plain or sealed. `meta`: what concerns
 * the file. A resourceVersion is TEXT: node:sqlite throws on integers above 2^53.
 */
const TABLES = `
  CREATE TABLE scopes (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, rv TEXT NOT NULL, change_rv TEXT NOT NULL,
    complete INTEGER NOT NULL, head TEXT NOT NULL, count INTEGER NOT NULL DEFAULT 0,
    digest INTEGER NOT NULL DEFAULT 0, sum INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE items (
    scope INTEGER NOT NULL, key TEXT NOT NULL, uid TEXT NOT NULL, rv TEXT NOT NULL,
    sum INTEGER NOT NULL, body BLOB NOT NULL, form INTEGER NOT NULL DEFAULT 0, UNIQUE (scope, key)
  ) STRICT;
  CREATE TABLE kept (
    key TEXT NOT NULL UNIQUE, status INTEGER NOT NULL, headers TEXT NOT NULL, rv TEXT NOT NULL,
    at INTEGER NOT NULL, sum INTEGER NOT NULL, body BLOB NOT NULL, form INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE meta (name TEXT NOT NULL UNIQUE, value BLOB NOT NULL) STRICT;
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
    /** Its list was given up since the last batch: an earlier tally is of no use. */
    recount?: boolean;
  }
  /** The scope is forgotten; its objects go bit by bit. */
  | { op: "drop"; scope: number }
  | {
    op: "put";
    scope: number;
    key: string;
    uid: string;
    rv: string;
    body: Uint8Array;
    sealed: boolean;
  }
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

/** Above this size a start does not wait for a check of every page: 330 MB take 0.24 s from memory. */
const MAX_CHECKED_BYTES = 512 * 1024 * 1024;

/** The schema version of a file, and whether it is an empty one. */
export function inspect(db: Database): { version: number; empty: boolean } {
  const version = Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n ?? 0);
  return { version, empty: version === 0 && tables === 0 };
}

/** Makes the tables in an empty database. */
export function createTables(db: Database): void {
  db.exec(`BEGIN; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
}

/** @throws when pages of the file do not fit together */
export function checkPages(db: Database): void {
  const { page_count: pages } = db.prepare("PRAGMA page_count").get() ?? {};
  const { page_size: size } = db.prepare("PRAGMA page_size").get() ?? {};
  if (Number(pages) * Number(size) > MAX_CHECKED_BYTES) return;
  // Not quick_check: it does not compare indexes with their tables, and a list that is read through a
  // damaged index would be shorter without any error.
  const verdict = String(
    db.prepare("PRAGMA integrity_check(1)").get()?.integrity_check ?? "no answer",
  );
  if (verdict !== "ok") throw new Error(`the file is malformed: ${verdict}`);
}

/**
 * Makes an empty file a state database, or checks one that is there and brings it to this version.
 *
 * @throws when the file is damaged, foreign or of a version that is not known
 */
export function prepareDatabase(db: Database, sealer: Sealer): void {
  const { version, empty } = inspect(db);
  // Deleted bytes are overwritten where that costs no further page.
  db.exec("PRAGMA secure_delete = FAST");
  if (empty) {
    // Must come before the first table.
    db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    db.exec("PRAGMA journal_mode = WAL");
    createTables(db);
  } else if (version !== 1 && version !== SCHEMA_VERSION) {
    // An emptied file passes any check: the version tells.
    const why = version > SCHEMA_VERSION ? ", which a newer agent wrote" : "";
    throw new Error(
      `the file is not a database of this agent: its schema version is ${version}${why}, not ${SCHEMA_VERSION}`,
    );
  } else {
    checkPages(db);
  }
  db.exec("PRAGMA journal_mode = WAL");
  // With WAL, NORMAL loses at most the last commits on a power cut and never corrupts; a lost
  // commit is fetched again by resourceVersion.
  db.exec("PRAGMA synchronous = NORMAL");
  db.exec("PRAGMA journal_size_limit = 4194304");
  if (version === 1) migrateFrom1(db, sealer);
  // What a first list left when the process died in the middle of it.
  db.exec(`BEGIN;
    DELETE FROM items WHERE scope NOT IN (SELECT id FROM scopes WHERE complete = 1);
    DELETE FROM scopes WHERE complete = 0;
    COMMIT`);
}
