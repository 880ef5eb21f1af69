import { type Database, openDatabase } from "../../src/platform/sqlite.ts";
import { StateStore } from "../../src/proxy/store/state_store.ts";
import { utf8 } from "./arbitraries.ts";
import { FakeClock } from "./fake_clock.ts";

/** Changes are written this late. */
export const FLUSH_MS = 250;
/** First time between tries while the disk refuses to be written. */
export const RETRY_MS = 5_000;
export const MAX_BYTES: number = 64 * 1024 * 1024;
/** What the stores of the tests seal with. */
export const SECRET: Uint8Array = utf8("a secret of some length");

/** A state file in a directory of its own. */
export class StateFile implements AsyncDisposable {
  readonly path: string;
  readonly directory: string;
  readonly clock: FakeClock = new FakeClock();
  /** What the store told, in its order. */
  readonly events: string[] = [];

  /** @param directory an empty one, made if need be */
  constructor(directory: string = Deno.makeTempDirSync({ prefix: "edge-agent-test-" })) {
    this.directory = directory;
    this.path = `${this.directory}/state.db`;
  }

  open(options: { secret?: Uint8Array; maxBytes?: number } = {}): Promise<StateStore> {
    const { secret = SECRET, maxBytes = MAX_BYTES } = options;
    return StateStore.open({ path: this.path, secret, maxBytes }, this.clock, {
      unreadable: (rows) => this.events.push(`unreadable: ${rows}`),
      unavailable: (message) => this.events.push(`unavailable: ${message}`),
      setAside: ({ path, reason }) => this.events.push(`set aside ${path}: ${reason}`),
      writeFailed: (message) => this.events.push(`failed: ${message}`),
      writeRecovered: () => this.events.push("recovered"),
    });
  }

  /** What the file holds, seen from outside. */
  look<T>(read: (db: Database) => T): T {
    using db = openDatabase(this.path);
    return read(db);
  }

  /** Lets time pass until the file holds what it should: the writer is a thread of its own. */
  async until(holds: (db: Database) => boolean): Promise<void> {
    while (!this.look(holds)) await this.clock.advance(FLUSH_MS);
  }

  /** Every byte of the file and of what belongs to it. */
  bytes(): string {
    const names = [...Deno.readDirSync(this.directory)].filter(({ isFile }) => isFile);
    return names.map(({ name }) =>
      new TextDecoder("latin1").decode(Deno.readFileSync(`${this.directory}/${name}`))
    ).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Number of objects in the file. */
export function countItems(db: Database): number {
  return Number(db.prepare("SELECT count(*) AS n FROM items").get()?.n);
}
