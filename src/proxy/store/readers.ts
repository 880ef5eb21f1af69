import {
  type Database,
  openDatabase,
  openImmutableDatabase,
  openMemoryDatabase,
} from "../../platform/sqlite.ts";
import { checkPages, createTables, inspect, SCHEMA_VERSION } from "./schema.ts";

/** What is read: the file; the file of a disk that nobody writes to; nothing but what is in memory. */
export type Source = "file" | "immutable" | "memory";

/** Connections for reading, kept for the next read. */
export class Readers implements Disposable {
  readonly #path: string;
  #source: Source = "file";
  #free: Database[] = [];
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** A connection, and how it is given back; one whose read failed is disposed of instead. */
  take(): { db: Database; giveBack: () => void } {
    const free = this.#free;
    const db = free.pop() ?? this.#connect(this.#source);
    const giveBack = () => {
      if (this.#closed || free !== this.#free) db[Symbol.dispose]();
      else free.push(db);
    };
    return { db, giveBack };
  }

  /** One short read. */
  read<T>(read: (db: Database) => T): T {
    const { db, giveBack } = this.take();
    try {
      const found = read(db);
      giveBack();
      return found;
    } catch (error) {
      db[Symbol.dispose]();
      throw error;
    }
  }

  /** Reads from somewhere else from now on. */
  use(source: Source): void {
    this.#source = source;
    const free = this.#free;
    this.#free = [];
    for (const db of free) db[Symbol.dispose]();
  }

  /** Reads the file that can't be written, if that is possible; tells what is read. */
  useWhatIsThere(): Source {
    const readable = (["file", "immutable"] as const).find((source) => {
      try {
        using db = this.#connect(source);
        if (inspect(db).version !== SCHEMA_VERSION) return false;
        checkPages(db);
        return true;
      } catch {
        return false;
      }
    });
    const source = readable ?? "memory";
    this.use(source);
    return source;
  }

  #connect(source: Source): Database {
    switch (source) {
      case "file":
        return openDatabase(this.#path, { readOnly: true });
      case "immutable":
        return openImmutableDatabase(this.#path);
      case "memory": {
        const db = openMemoryDatabase();
        createTables(db);
        return db;
      }
      default:
        return source satisfies never;
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.use(this.#source);
  }
}
