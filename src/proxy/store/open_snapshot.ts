import type { Clock } from "../../kernel/clock.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import type { Readers } from "./readers.ts";
import type { Sealer } from "./sealer.ts";
import { createSnapshot, SLICE_SQL, type Snapshot } from "./snapshot.ts";

/** Longest that a list may be read: as long as one is, the log in front of the file only grows. */
const MAX_SNAPSHOT_MS = 300_000;

/** Which objects are read. */
export interface Range {
  /** Keys from here (exclusive) up to there (exclusive). */
  after?: string;
  before?: string;
}

/** What a snapshot is made of. */
export interface SnapshotSource {
  readers: Readers;
  clock: Clock;
  sealer: Sealer;
  scope: number;
  changes: ReadonlyMap<string, StoredObject | null>;
  /** Whether the rows in the file must add up to what it says. */
  counted: boolean;
  /** Turns SQLite's words for a damaged file into a DamagedError. */
  guard<T>(read: () => T): T;
}

/** Opens a snapshot on a connection of its own. @throws {DamagedError} */
export function openSnapshot(source: SnapshotSource, range: Range): Snapshot {
  const { readers, clock, sealer, scope, changes, counted, guard } = source;
  const { db, giveBack } = guard(() => readers.take());
  let cancel = () => {};
  const release = () => {
    cancel();
    try {
      db.exec("COMMIT");
      giveBack();
    } catch {
      // A connection that found the file damaged says so again.
      db[Symbol.dispose]();
    }
  };
  db.exec("BEGIN");
  try {
    // BEGIN is deferred: the first read is what pins the state.
    guard(() => db.prepare(SLICE_SQL).get(-1, "", ""));
    const { after = "", before } = range;
    const parts = { db, sealer, scope, changes, counted };
    const snapshot = guard(() => createSnapshot(parts, { after, before }, release));
    cancel = clock.timer(MAX_SNAPSHOT_MS, () => snapshot.cut());
    return { ...snapshot, next: () => guard(() => snapshot.next()) };
  } catch (error) {
    release();
    throw error;
  }
}
