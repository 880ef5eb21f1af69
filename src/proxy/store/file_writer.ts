import { errorMessage } from "../../kernel/errors.ts";
import { ReserveFile } from "../../platform/reserve_file.ts";
import { type Database, isDamagedFile, isFullDisk, openDatabase } from "../../platform/sqlite.ts";
import { BatchWriter } from "./batch_writer.ts";
import { beginAnew, makeSuccessor, openOrSetAside, type OpenState } from "./open_state.ts";
import { checkPages, type Operation } from "./schema.ts";
import { Sealer } from "./sealer.ts";
import type { Usage, WriterReply, WriterRequest } from "./state_writer.ts";

/** Objects deleted at a time: a full disk has room for little. */
const SWEEP_ROWS = 100;
/** Space that is held back for the time when the disk is full. */
const RESERVE_BYTES = 1024 * 1024;
/** Free pages that a file may have before it is made smaller, as a share. */
const FREE_SHARE = 1 / 4;
/** Pages given back to the disk at a time. */
const VACUUM_PAGES = 1_000;

/** One file at work: what the writer does with it, request by request. */
export class FileWriter implements Disposable {
  readonly #path: string;
  readonly #sealer: Sealer;
  readonly #maxBytes: number;
  readonly #reserve: ReserveFile;
  #state: OpenState;
  #writer: BatchWriter;
  /** Why the file is given up, until its successor is in its place. */
  #damage: string | undefined;
  /** The successor is whole, but not in its place yet. */
  #isBetween = false;

  constructor({ path, secret, maxBytes, anew }: WriterRequest & { type: "open" }) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#sealer = new Sealer(secret);
    this.#reserve = new ReserveFile(`${path.replace(/\.db$/, "")}.reserve`, RESERVE_BYTES);
    this.#state = anew
      ? beginAnew(path, this.#sealer, "superseded", "the agent had to begin without it")
      : openOrSetAside(path, this.#sealer);
    this.#writer = this.#begin();
    this.#reserve.hold();
  }

  #begin(): BatchWriter {
    const { db } = this.#state;
    db.exec(`PRAGMA max_page_count = ${Math.floor(this.#maxBytes / pragma(db, "page_size"))}`);
    return new BatchWriter(db, this.#sealer);
  }

  get opened(): WriterReply {
    const { setAside, unreadable } = this.#state;
    return { type: "opened", setAside, unreadable, usage: this.#usage() };
  }

  batch(operations: readonly Operation[]): WriterReply {
    // A change of a scope that could not be carried over would be taken for all of it.
    if (this.#isBetween) throw new Error("the file is damaged, and being replaced");
    // Its successor could not be made yet.
    if (this.#damage !== undefined) return this.heal();
    try {
      this.#writer.write(operations);
    } catch (error) {
      if (isDamagedFile(error)) return this.heal(errorMessage(error));
      // What was held back may be enough, for this time.
      if (!isFullDisk(error) || !this.#reserve.release()) throw error;
      this.#writer.write(operations);
    }
    return this.#done();
  }

  /** Replaces a file that is damaged. @param reason what it was found by; else its pages are checked */
  heal(reason: string | undefined = this.#damage): WriterReply {
    try {
      // By a connection of its own: the writer's knows the pages from before.
      using db = openDatabase(this.#path, { readOnly: true });
      if (reason === undefined) checkPages(db);
    } catch (error) {
      reason = errorMessage(error);
    }
    if (reason === undefined || this.#isBetween) return this.#done();
    // Closed before the file has another name: SQLite removes a log by the name that it knows.
    if (this.#damage === undefined) this.#state.db[Symbol.dispose]();
    this.#damage = reason;
    try {
      const salvaged = makeSuccessor(this.#path, this.#sealer);
      this.#isBetween = true;
      return { type: "damaged", reason, ...salvaged };
    } catch (error) {
      // Not called full: to forget more would make no room in a file that can't be written.
      this.#reserve.release();
      const message = `the file is damaged, and no other can be made: ${errorMessage(error)}`;
      return { type: "failed", message, full: false };
    }
  }

  succeed(): WriterReply {
    this.#state = openOrSetAside(this.#path, this.#sealer);
    this.#writer = this.#begin();
    this.#damage = undefined;
    this.#isBetween = false;
    return this.#done();
  }

  sweep(): WriterReply {
    this.#writer.sweep(SWEEP_ROWS);
    this.#checkpoint("PASSIVE");
    return this.#done();
  }

  forget(keys: readonly string[]): WriterReply {
    this.#writer.forget(keys);
    this.#checkpoint("PASSIVE");
    return this.#done();
  }

  tidy(): WriterReply {
    const { db } = this.#state;
    const [pages, free] = [pragma(db, "page_count"), pragma(db, "freelist_count")];
    if (free > pages * FREE_SHARE) db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    this.#checkpoint("TRUNCATE");
    this.#reserve.hold();
    return this.#done();
  }

  renew(reason: string): WriterReply {
    this.#state.db[Symbol.dispose]();
    this.#state = beginAnew(this.#path, this.#sealer, "foreign", reason);
    this.#writer = this.#begin();
    return this.opened;
  }

  /** Moves the log into the file, as far as nobody reads it. */
  #checkpoint(kind: "PASSIVE" | "TRUNCATE"): void {
    const { db } = this.#state;
    // A reader must not hold the writer up.
    db.exec("PRAGMA busy_timeout = 0");
    db.exec(`PRAGMA wal_checkpoint(${kind})`);
    db.exec("PRAGMA busy_timeout = 5000");
  }

  #usage(): Usage {
    const { db } = this.#state;
    const pages = pragma(db, "page_count") - pragma(db, "freelist_count");
    return { usedBytes: pages * pragma(db, "page_size"), maxBytes: this.#maxBytes };
  }

  #done(): WriterReply {
    return { type: "done", usage: this.#usage(), hasLeftovers: this.#writer.hasLeftovers };
  }

  [Symbol.dispose](): void {
    this.#state.db[Symbol.dispose]();
  }
}

function pragma(db: Database, name: string): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}
