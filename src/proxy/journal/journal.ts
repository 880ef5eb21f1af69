import type { Clock } from "../../kernel/clock.ts";
import { formatJson, parseJson } from "../../kube/codec/json.ts";
import { composeMergePatches } from "../../kube/merge_patch.ts";
import { victimOf } from "../asks/fair_room.ts";
import type { KeptAnswers } from "../store/kept.ts";
import { formatEntry, type JournalEntry, parseEntry } from "./journal_entry.ts";

/** How much is journaled; the oldest of whoever takes most of it goes first. */
export interface JournalLimits {
  maxEvents: number;
  maxBytes: number;
}

/**
 * Why an Event never reached the cloud. `full`: newer ones took its place; `refused`: the cloud would not
 * have it; `gone`: what it changes is no longer there; `credential`: whoever sent it is not known any more;
 * `damaged`: it could not be read back; `replaced`: the cloud is another cluster.
 */
export type DropReason = "full" | "refused" | "gone" | "credential" | "damaged" | "replaced";

/** What the journal tells its owner. */
export interface JournalEvents {
  /** The number of entries changed. */
  changed(count: number): void;
  dropped(reason: DropReason): void;
}

/** What is known of an entry without reading it. */
export interface Queued extends Pick<JournalEntry, "verb" | "caller" | "object"> {
  seq: number;
  sizeBytes: number;
  /** Wall clock, ms since the Unix epoch. */
  atMs: number;
}

/** Keys are `journal\n` and 16 digits, so that they sort as they came. */
const PREFIX = "journal\n";
const DIGITS = 16;

/** The Events that wait for the cloud, in their order, on disk. Only an index of them is in memory. */
export class Journal {
  readonly #kept: KeptAnswers;
  readonly #clock: Clock;
  readonly #limits: JournalLimits;
  readonly #events: JournalEvents;
  /** By number, ascending. */
  readonly #queue = new Map<number, Queued>();
  readonly #waiting = new Set<() => void>();
  #bytes = 0;
  #next = 1;
  #sending: number | undefined;

  private constructor(
    kept: KeptAnswers,
    clock: Clock,
    limits: JournalLimits,
    events: JournalEvents,
  ) {
    this.#kept = kept;
    this.#clock = clock;
    this.#limits = limits;
    this.#events = events;
  }

  /** The journal as the last process left it. @param seen told of every entry that is there */
  static open(
    kept: KeptAnswers,
    clock: Clock,
    limits: JournalLimits,
    events: JournalEvents,
    seen: (entry: JournalEntry) => void = () => {},
  ): Journal {
    const journal = new Journal(kept, clock, limits, events);
    for (const key of kept.keys(PREFIX)) journal.#load(key, seen);
    journal.#trim();
    events.changed(journal.size);
    return journal;
  }

  /** How many entries wait. */
  get size(): number {
    return this.#queue.size;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  /** When the oldest entry came, ms since the Unix epoch; undefined when there is none. */
  get oldestAtMs(): number | undefined {
    return this.#queue.values().next().value?.atMs;
  }

  /** Whether a write must wait its turn: something of the same sender or of the same Event is before it. */
  isBehind(caller: string, object: string): boolean {
    for (const queued of this.#queue.values()) {
      if (queued.caller === caller || queued.object === object) return true;
    }
    return false;
  }

  /** Whether an entry may be taken at all. */
  accepts(entry: JournalEntry): boolean {
    const { maxEvents, maxBytes } = this.#limits;
    return maxEvents > 0 && formatEntry(entry).length <= maxBytes;
  }

  /** Puts an entry behind all others; one patch of an Event is merged into the patch before it. */
  append(entry: JournalEntry): void {
    if (entry.verb === "patch" && this.#merge(entry)) return;
    const seq = this.#next++;
    this.#store(seq, entry, this.#clock.now());
    this.#trim();
    this.#events.changed(this.size);
    for (const wake of [...this.#waiting]) wake();
  }

  /** What waits now, oldest first. */
  queued(): Queued[] {
    return [...this.#queue.values()];
  }

  /**
   * An entry to be sent; nothing is merged into it from now on. Undefined when it is not there any more.
   */
  take(seq: number): JournalEntry | undefined {
    this.#sending = seq;
    if (!this.#queue.has(seq)) return undefined;
    const entry = this.#read(seq);
    if (entry === undefined) this.drop(seq, "damaged");
    return entry;
  }

  /** The entry that was taken stays where it is. */
  putBack(): void {
    this.#sending = undefined;
  }

  /** The cloud has it. */
  delivered(seq: number): void {
    this.#remove(seq);
    this.#events.changed(this.size);
  }

  /** It is given up. */
  drop(seq: number, reason: DropReason): void {
    if (!this.#queue.has(seq)) return;
    this.#remove(seq);
    this.#events.dropped(reason);
    this.#events.changed(this.size);
  }

  /** The cloud is another cluster: nothing of it is of use there. */
  abandon(): void {
    for (const { seq } of this.queued()) this.drop(seq, "replaced");
  }

  /** Resolves once something waits, or when `signal` aborts. */
  filled(signal: AbortSignal): Promise<void> {
    if (this.size > 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        this.#waiting.delete(finish);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      this.#waiting.add(finish);
      signal.addEventListener("abort", finish, { once: true });
    });
  }

  #load(key: string, seen: (entry: JournalEntry) => void): void {
    const seq = Number(key.slice(PREFIX.length));
    const answer = this.#kept.get(key);
    const entry = Number.isSafeInteger(seq) ? this.#read(seq) : undefined;
    if (entry === undefined || answer === undefined) {
      this.#kept.forget(key);
      return this.#events.dropped("damaged");
    }
    const { verb, caller, object } = entry;
    const { atMs, body: { length: sizeBytes } } = answer;
    this.#queue.set(seq, { seq, verb, caller, object, atMs, sizeBytes });
    this.#bytes += sizeBytes;
    this.#next = seq + 1;
    seen(entry);
  }

  #read(seq: number): JournalEntry | undefined {
    const answer = this.#kept.get(keyOf(seq));
    if (answer === undefined) return undefined;
    try {
      return parseEntry(answer.body);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #store(seq: number, entry: JournalEntry, atMs: number): void {
    const { verb, caller, object } = entry;
    const body = formatEntry(entry);
    this.#bytes += body.length - (this.#queue.get(seq)?.sizeBytes ?? 0);
    this.#queue.set(seq, { seq, verb, caller, object, atMs, sizeBytes: body.length });
    this.#kept.keep(keyOf(seq), { status: 200, headers: {}, body }, "", atMs);
  }

  #remove(seq: number): void {
    if (this.#sending === seq) this.#sending = undefined;
    this.#bytes -= this.#queue.get(seq)?.sizeBytes ?? 0;
    this.#queue.delete(seq);
    this.#kept.forget(keyOf(seq));
  }

  /** Merges a patch into the last entry of its Event, if that is a patch of the same kind. */
  #merge(entry: JournalEntry): boolean {
    const last = this.queued().findLast(({ object }) => object === entry.object);
    if (last?.verb !== "patch" || last.seq === this.#sending) return false;
    const before = this.#read(last.seq);
    if (
      before === undefined || before.caller !== entry.caller || before.path !== entry.path ||
      before.query !== entry.query || before.contentType !== entry.contentType
    ) return false;
    const patch = composeMergePatches(parseJson(before.body), parseJson(entry.body));
    if (patch === undefined) return false;
    this.#store(last.seq, { ...entry, body: formatJson(patch) }, last.atMs);
    this.#trim();
    return true;
  }

  /** What is being sent has a chance yet, and goes last. */
  #trim(): void {
    const { maxEvents, maxBytes } = this.#limits;
    while (this.size > maxEvents || this.#bytes > maxBytes) {
      const waiting = this.queued().filter(({ seq }) => seq !== this.#sending);
      const victim = victimOf(
        waiting.map(({ seq, caller, sizeBytes }) => ({ entry: seq, caller, amount: sizeBytes })),
      );
      if (victim === undefined) return;
      this.drop(victim, "full");
    }
  }
}

function keyOf(seq: number): string {
  return PREFIX + String(seq).padStart(DIGITS, "0");
}
