import { errorMessage } from "../../kernel/errors.ts";
import {
  type Database,
  isDamagedFile,
  openDatabase,
  renameDatabase,
} from "../../platform/sqlite.ts";
import { checksum } from "./checksum.ts";
import { type Operation, prepareDatabase } from "./schema.ts";

/**
 * The one writer of `state.db`, in a Worker: a disk that takes 400 ms for an fsync would otherwise stall
 * every watch for as long.
 */

/** Name by which the Worker knows what it is: in the bundled binary it loads the whole program again. */
export const STATE_WRITER = "edge-agent-state-writer";

/** Main thread to writer. */
export type WriterRequest =
  | { type: "open"; path: string }
  | { type: "batch"; id: number; operations: Operation[] }
  | { type: "close" };

/** Writer to main thread. */
export type WriterReply =
  | { type: "opened"; setAside?: { path: string; reason: string } }
  | { type: "unusable"; message: string }
  | { type: "done"; id: number }
  | { type: "failed"; id: number; message: string }
  | { type: "closed" };

/** Starts the writer's Worker. */
export function spawnStateWriter(): Worker {
  return new Worker(import.meta.url, { type: "module", name: STATE_WRITER });
}

/** The Worker's side: answers the requests in their order. */
export function serveStateWriter(
  port: { onmessage: unknown; postMessage(reply: WriterReply): void },
): void {
  let db: Database | undefined;
  let write: ((operations: Operation[]) => void) | undefined;
  port.onmessage = ({ data }: MessageEvent<WriterRequest>) => {
    switch (data.type) {
      case "open":
        try {
          const opened = openOrSetAside(data.path);
          db = opened.db;
          write = createWriter(db);
          port.postMessage({ type: "opened", setAside: opened.setAside });
        } catch (error) {
          port.postMessage({ type: "unusable", message: errorMessage(error) });
        }
        return;
      case "batch":
        try {
          write?.(data.operations);
          port.postMessage({ type: "done", id: data.id });
        } catch (error) {
          port.postMessage({ type: "failed", id: data.id, message: errorMessage(error) });
        }
        return;
      case "close":
        db?.[Symbol.dispose]();
        port.postMessage({ type: "closed" });
        return;
      default:
        data satisfies never;
    }
  };
}

/** Opens the database; a damaged one is renamed, never deleted, and a new one takes its place. */
function openOrSetAside(
  path: string,
): { db: Database; setAside?: { path: string; reason: string } } {
  let db = openDatabase(path);
  try {
    prepareDatabase(db);
    return { db };
  } catch (error) {
    db[Symbol.dispose]();
    if (!isDamagedFile(error)) throw error;
    const aside = renameDatabase(path);
    db = openDatabase(path);
    prepareDatabase(db);
    return { db, setAside: { path: aside, reason: errorMessage(error) } };
  }
}

/** A function that carries out a batch in one transaction. */
function createWriter(db: Database): (operations: Operation[]) => void {
  const scope = db.prepare(
    `INSERT INTO scopes (id, key, rv, change_rv, complete, head) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET rv = excluded.rv, change_rv = excluded.change_rv,
       complete = excluded.complete, head = excluded.head`,
  );
  const put = db.prepare(
    `INSERT INTO items (scope, key, uid, rv, sum, body) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (scope, key) DO UPDATE SET uid = excluded.uid, rv = excluded.rv, sum = excluded.sum,
       body = excluded.body`,
  );
  const remove = db.prepare("DELETE FROM items WHERE scope = ? AND key = ?");
  const keep = db.prepare(
    `INSERT INTO kept (key, status, headers, rv, at, sum, body) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET status = excluded.status, headers = excluded.headers,
       rv = excluded.rv, at = excluded.at, sum = excluded.sum, body = excluded.body`,
  );
  const forget = db.prepare("DELETE FROM kept WHERE key = ?");
  const run = (o: Operation): void => {
    switch (o.op) {
      case "scope":
        return scope.run(o.id, o.key, o.rv, o.changeRv, o.complete ? 1 : 0, o.head);
      case "put":
        return put.run(o.scope, o.key, o.uid, o.rv, checksum(o.body), o.body);
      case "remove":
        return remove.run(o.scope, o.key);
      case "keep":
        return keep.run(o.key, o.status, o.headers, o.rv, o.at, checksum(o.body), o.body);
      case "forget":
        return forget.run(o.key);
      default:
        return o satisfies never;
    }
  };
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  return (operations) => {
    begin.run();
    try {
      for (const operation of operations) run(operation);
      commit.run();
    } catch (error) {
      try {
        db.exec("ROLLBACK");
      } catch {
        // SQLite rolls back by itself on some errors (disk full): nothing left to undo.
      }
      throw error;
    }
  };
}

// A Worker's module is its main program: this is its start. Elsewhere the name is another one.
if ((globalThis as { name?: unknown }).name === STATE_WRITER) {
  serveStateWriter(globalThis as unknown as Parameters<typeof serveStateWriter>[0]);
}
