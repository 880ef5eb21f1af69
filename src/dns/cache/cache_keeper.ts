import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { type Fs, isNotFound } from "../../platform/fs.ts";
import type { AnswerCache } from "./answer_cache.ts";
import { formatCacheFile, parseCacheFile } from "./cache_file.ts";

/** What is told of the file. */
export type KeeperEvent =
  | { kind: "loaded"; entries: number }
  | { kind: "unusable"; why: string }
  | { kind: "saved"; entries: number; bytes: number }
  | { kind: "not-saved"; why: string };

/** What a keeper needs. */
export interface KeeperPorts {
  clock: Clock;
  fs: Fs;
  notice: (event: KeeperEvent) => void;
}

/** The first answers after a start are safe sooner, ms. */
const FIRST_SAVE_MS = 60_000;
/** How old the ages in the file may become while nothing but them changes, ms. */
const RENEWAL_MS = 6 * 3_600_000;

/**
 * Keeps the cache on disk. The disk of a small machine wears out: it is written once per interval at most,
 * then only with something new in it, and at the end.
 */
export class CacheKeeper {
  readonly #cache: AnswerCache;
  readonly #path: string;
  readonly #intervalMs: number;
  readonly #ports: KeeperPorts;
  #saved = { news: 0, renewals: 0, atMs: -Infinity };

  /** @param path absolute; its directory is there */
  constructor(cache: AnswerCache, path: string, intervalMs: number, ports: KeeperPorts) {
    this.#cache = cache;
    this.#path = path;
    this.#intervalMs = intervalMs;
    this.#ports = ports;
  }

  /** Takes in what was kept. A file that is missing or not whole leaves the cache as it is. */
  async load(): Promise<void> {
    const { fs, notice } = this.#ports;
    try {
      const entries = parseCacheFile(await fs.readBytes(this.#path), this.#times());
      for (const [key, entry] of entries) this.#cache.restore(key, entry);
      notice({ kind: "loaded", entries: entries.length });
    } catch (error) {
      if (isNotFound(error)) notice({ kind: "loaded", entries: 0 });
      else notice({ kind: "unusable", why: errorMessage(error) });
    }
  }

  /** Saves now and then until `signal` aborts, and then once more. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    for (let waitMs = FIRST_SAVE_MS; !signal.aborted; waitMs = this.#intervalMs) {
      await clock.sleep(Math.min(waitMs, this.#intervalMs), signal);
      if (signal.aborted || this.#isDue()) await this.save();
    }
  }

  /** Saves what there is, if anything changed since the last time. A disk that fails is told of. */
  async save(): Promise<void> {
    const { fs, notice, clock } = this.#ports;
    const { news, renewals } = this.#cache.changes;
    if (news === this.#saved.news && renewals === this.#saved.renewals) return;
    const entries = [...this.#cache.entries()];
    const bytes = formatCacheFile(entries, this.#times());
    try {
      await fs.writeAtomic(this.#path, bytes, 0o600);
    } catch (error) {
      notice({ kind: "not-saved", why: errorMessage(error) });
      return;
    }
    this.#saved = { news, renewals, atMs: clock.monotonic() };
    notice({ kind: "saved", entries: entries.length, bytes: bytes.length });
  }

  #isDue(): boolean {
    const isOld = this.#ports.clock.monotonic() - this.#saved.atMs >= RENEWAL_MS;
    return isOld || this.#cache.changes.news !== this.#saved.news;
  }

  #times(): { nowMs: number; monotonicMs: number } {
    const { clock } = this.#ports;
    return { nowMs: clock.now(), monotonicMs: clock.monotonic() };
  }
}
