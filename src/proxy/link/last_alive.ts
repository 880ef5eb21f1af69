import type { Fs } from "../../platform/fs.ts";
import type { KeptAnswers } from "../store/kept.ts";
import type { CloudLink } from "./cloud_link.ts";

/** Key of the note, and of nothing else. */
const KEY = "last-alive";

/**
 * When the cloud was last heard, across restarts: noted when the link is lost and when the agent stops,
 * taken back when the link is up again. After a crash with the link up there is no note.
 */
export class LastAlive implements Disposable {
  readonly #link: CloudLink;
  readonly #kept: KeptAnswers;
  readonly #before: number | undefined;
  readonly #unsubscribe: () => void;

  /** @param writtenAtMs when the state was last written, which is the next best guess */
  constructor(link: CloudLink, kept: KeptAnswers, writtenAtMs: number | undefined) {
    this.#link = link;
    this.#kept = kept;
    this.#before = kept.get(KEY)?.atMs ?? writtenAtMs;
    this.#unsubscribe = link.subscribe(({ state }) => {
      if (state === "up") kept.forget(KEY);
      else if (state !== "suspect") this.#note();
    });
  }

  /** Wall clock, ms since the Unix epoch; undefined if the cloud was never heard. */
  get atMs(): number | undefined {
    return this.#link.aliveAtMs ?? this.#before;
  }

  #note(): void {
    if (this.atMs === undefined) return;
    this.#kept.keep(KEY, { status: 204, headers: {}, body: new Uint8Array(0) }, "", this.atMs);
  }

  /** The agent stops. */
  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#note();
  }
}

/** When the last process last wrote what it knew; bookmarks are written within half a minute. */
export async function lastWritten(fs: Fs, stateDir: string): Promise<number | undefined> {
  const files = ["state.db", "state.db-wal"].map((name) => fs.stat(`${stateDir}/${name}`));
  const times = (await Promise.all(files)).flatMap((stat) => stat?.mtimeMs ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}
