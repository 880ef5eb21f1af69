import { errorMessage } from "../../kernel/errors.ts";
import { ReserveFile } from "../../platform/reserve_file.ts";
import { type Database, isDamagedFile, isFullDisk, openDatabase } from "../../platform/sqlite.ts";
import { BatchWriter } from "./batch_writer.ts";
import {
  beginAnew,
  makeSuccessor,
  openOrSetAside,
  type OpenState,
  type SetAside,
} from "./open_state.ts";
import type { Salvaged } from "./salvage.ts";
import { checkPages, type Operation } from "./schema.ts";
import { Sealer } from "./sealer.ts";

/**
 * The one writer of `state.db`, in a Worker: a disk that takes 400 ms for an fsync would otherwise stall
 * every watch for as long.
 */

/** Name by which the Worker knows what it is: the main thread loads this file too. */
export const STATE_WRITER = "edge-agent-state-writer";

/** Main thread to writer. Each is answered once, in order. */
export type WriterRequest =
  /** @param secret what the key for sealing is made of */
  | { type: "open"; path: string; secret: Uint8Array; maxBytes: number; anew: boolean }
  /** @param bodies the buffer that all bodies are views of, if it is the writer's own */
  | { type: "batch"; operations: Operation[]; bodies?: ArrayBuffer }
  /** Deletes some objects of forgotten scopes. */
  | { type: "sweep" }
  /** Forgets these kept answers. */
  | { type: "forget"; keys: string[] }
  /** A read found the file damaged: it is looked at, and replaced if that is so. */
  | { type: "heal" }
  /** The successor has taken the place of the damaged file: what is sent from now on fits it. */
  | { type: "succeed" }
  /** Nothing happens at the moment: time to tidy up. */
  | { type: "tidy" }
  /** The file is of another cluster: it is moved away, a new one begins. */
  | { type: "renew"; reason: string }
  | { type: "close" };

/** Writer to main thread. */
export type WriterReply =
  | { type: "opened"; setAside?: SetAside; unreadable: number; usage: Usage }
  | { type: "done"; usage: Usage; hasLeftovers: boolean }
  /** The file is damaged; a successor has what still adds up. Nothing else was done. */
  | ({ type: "damaged"; reason: string } & Salvaged)
  | { type: "failed"; message: string; full: boolean }
  | { type: "closed" };

/** Room that the objects and answers take in the file, and may take. */
export interface Usage {
  usedBytes: number;
  maxBytes: number;
}

/** Objects deleted at a time: a full disk has room for little. */
const SWEEP_ROWS = 100;
/** Space that is held back for the time when the disk is full. */
const RESERVE_BYTES = 1024 * 1024;
/** Free pages that a file may have before it is made smaller, as a share. */
const FREE_SHARE = 1 / 4;
/** Pages given back to the disk at a time. */
const VACUUM_PAGES = 1_000;

/** Starts the Worker: this file; of a bundled program, its own bundle, as all of it would take 5 MB more. */
export function spawnStateWriter(): Worker {
  const file = import.meta.url.endsWith(".ts") ? "state_writer.ts" : "state_writer.js";
  return new Worker(new URL(file, import.meta.url), { type: "module", name: STATE_WRITER });
}

/** The Worker's side: answers the requests in their order. */
export function serveStateWriter(
  port: { onmessage: unknown; postMessage(reply: WriterReply): void },
): void {
  let writer: StateWriter | undefined;
  const answer = (request: WriterRequest): WriterReply => {
    switch (request.type) {
      case "open":
        writer?.[Symbol.dispose]();
        writer = new StateWriter(request);
        return writer.opened;
      case "batch":
        return writer!.batch(request.operations);
      case "sweep":
        return writer!.sweep();
      case "forget":
        return writer!.forget(request.keys);
      case "heal":
        return writer!.heal();
      case "succeed":
        return writer!.succeed();
      case "tidy":
        return writer!.tidy();
      case "renew":
        return writer!.renew(request.reason);
      case "close":
        writer?.[Symbol.dispose]();
        return { type: "closed" };
      default:
        return request satisfies never;
    }
  };
  port.onmessage = ({ data }: MessageEvent<WriterRequest>) => {
    let reply: WriterReply;
    try {
      reply = answer(data);
    } catch (error) {
      reply = { type: "failed", message: errorMessage(error), full: isFullDisk(error) };
    }
    port.postMessage(reply);
    // Given back now: this heap is so small that its garbage would be collected late.
    if (data.type === "batch") data.bodies?.transfer(0);
  };
}

/** One file at work. */
class StateWriter implements Disposable {
  readonly #path: string;
  readonly #sealer: Sealer;
  readonly #maxBytes: number;
  readonly #reserve: ReserveFile;
  #state: OpenState;
  #writer: BatchWriter;
  /** The successor of a damaged file is not in its place yet. */
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
  heal(reason?: string): WriterReply {
    try {
      // By a connection of its own: the writer's knows the pages from before.
      using db = openDatabase(this.#path, { readOnly: true });
      if (reason === undefined && !this.#isBetween) checkPages(db);
    } catch (error) {
      reason = errorMessage(error);
    }
    if (reason === undefined) return this.#done();
    this.#isBetween = true;
    // Closed before the file has another name: SQLite removes a log by the name that it knows.
    this.#state.db[Symbol.dispose]();
    return { type: "damaged", reason, ...makeSuccessor(this.#path, this.#sealer) };
  }

  succeed(): WriterReply {
    this.#state = openOrSetAside(this.#path, this.#sealer);
    this.#writer = this.#begin();
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

// A Worker's module is its main program: this is its start. Elsewhere the name is another one.
if ((globalThis as { name?: unknown }).name === STATE_WRITER) {
  serveStateWriter(globalThis as unknown as Parameters<typeof serveStateWriter>[0]);
}
