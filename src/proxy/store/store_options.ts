import type { SetAside } from "./open_state.ts";

/** What the store tells its owner. */
export interface StoreEvents {
  /** A file was renamed; the store began with what could be carried over. */
  setAside(aside: SetAside): void;
  /** Rows were sealed with another key: they count as never seen. */
  unreadable(rows: number): void;
  /** The file can't be opened: what changes stays in memory, and the file is tried again. */
  unavailable(message: string): void;
  /** A batch could not be written (disk full, read-only): the changes stay in memory and are tried again. */
  writeFailed(message: string): void;
  /** Writing works again. */
  writeRecovered(): void;
}

/** Where the file is and how it is written. */
export interface StoreOptions {
  path: string;
  /** What the key for sealing is made of. */
  secret: Uint8Array;
  maxBytes: number;
}

/** Makes room in the file; tells whether there is more of it now. */
export type MakeRoom = (wantedBytes: number) => Promise<boolean>;
