import { errorMessage } from "../../kernel/errors.ts";
import { type Database, isDamagedFile } from "../../platform/sqlite.ts";
import type { Readers } from "./readers.ts";
import { DamagedError } from "./rows.ts";

/** Reads of a file that may go bad: what SQLite can't read is damaged as a row is. */
export class GuardedReads {
  readonly #readers: Readers;
  readonly #damaged: () => void;

  /** @param damaged told whenever SQLite could not read the file */
  constructor(readers: Readers, damaged: () => void) {
    this.#readers = readers;
    this.#damaged = damaged;
  }

  /** One short read. @throws {DamagedError} */
  read<T>(read: (db: Database) => T): T {
    return this.guard(() => this.#readers.read(read));
  }

  /** One short read of what may be missing as well. */
  readOr<T>(otherwise: T, read: (db: Database) => T): T {
    try {
      return this.read(read);
    } catch (error) {
      if (error instanceof DamagedError) return otherwise;
      throw error;
    }
  }

  /** @throws {DamagedError} in the place of what SQLite says */
  guard<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!isDamagedFile(error)) throw error;
      this.#damaged();
      throw new DamagedError("", `The state file is damaged: ${errorMessage(error)}`);
    }
  }
}
