import { compareResourceVersions, newerResourceVersion } from "../../kube/resource_version.ts";
import type { ChangeType } from "../../kube/watch_event.ts";

/** An event as every watcher of a hub is sent it. */
export interface WindowEvent {
  type: ChangeType;
  /** Key of the object in the collection. */
  key: string;
  resourceVersion: string;
  /**
   * Found gone by a relist, so stamped with the version before it: a watcher that stands at that very
   * version still needs it.
   */
  foundGone?: boolean;
  /** The frame with its newline; shared by all watchers. */
  frame: Uint8Array;
  /** What a MODIFIED object was before: whoever sees but a part of the hub must know whether it was in it. */
  previous?: Uint8Array;
}

function sizeOf({ frame, previous }: WindowEvent): number {
  return frame.length + (previous?.length ?? 0);
}

/** Bounds of a window. */
export interface WindowLimits {
  maxEvents: number;
  maxBytes: number;
}

/** Relists whose gaps are remembered; who stands before an older one begins anew. */
const MAX_GAPS = 16;

/**
 * The recent events of a hub, oldest first. It is also every watcher's buffer: watchers hold a position in
 * it and copy nothing, so a thousand slow ones cost no more than one.
 */
export class EventWindow {
  readonly #limits: WindowLimits;
  #events: WindowEvent[] = [];
  #bytes = 0;
  /** Position of the first event that is still held. */
  #first = 0;
  /** All events behind this resourceVersion are held. */
  #start: string;
  #gaps: { from: string; to: string }[] = [];
  #relistedTo = "";
  #epoch = 0;
  #forgottenTo: string;
  /** Newest version that the cloud vouched for without an event; empty if there was none. */
  bookmark = "";

  /** @param forgottenTo version up to which the cloud gave its history up, in an earlier life of the agent */
  constructor(limits: WindowLimits, start: string, forgottenTo = "") {
    this.#limits = limits;
    this.#start = start;
    this.#forgottenTo = forgottenTo;
  }

  /** All events newer than this resourceVersion are held. */
  get start(): string {
    return this.#start;
  }

  /** Counts how often the past was thrown away: watchers of an older epoch must list again. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Throws the past away: nothing is known of how it led to `start`.
   *
   * @param forgotten version up to which the past was known, when the cloud went back to an older one
   */
  restart(start: string, forgotten = ""): void {
    this.#forgottenTo = newerResourceVersion(this.#forgottenTo, forgotten);
    this.#first = this.end;
    this.#events = [];
    this.#bytes = 0;
    this.#gaps = [];
    this.#start = start;
    this.#epoch++;
  }

  /** Position behind the newest event. */
  get end(): number {
    return this.#first + this.#events.length;
  }

  push(event: WindowEvent): void {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
    let drop = 0;
    while (
      this.#events.length - drop > this.#limits.maxEvents || this.#bytes > this.#limits.maxBytes
    ) {
      const oldest = this.#events[drop];
      if (oldest === undefined) break;
      this.#bytes -= sizeOf(oldest);
      // A watcher that stands at the version of a dropped `foundGone` event would miss it.
      this.#raiseStart(
        oldest.foundGone ? String(BigInt(oldest.resourceVersion) + 1n) : oldest.resourceVersion,
      );
      drop++;
    }
    if (drop > 0) {
      this.#events.splice(0, drop);
      this.#first += drop;
    }
  }

  /** The events from a position on; undefined when the first of them is no longer held. */
  from(position: number): readonly WindowEvent[] | undefined {
    if (position < this.#first) return undefined;
    return this.#events.slice(position - this.#first);
  }

  /**
   * A list led from one version to another. What came and went in between is not known: who stands there
   * (ahead of the agent, which lost what it last saw in a crash) may know an object that is gone.
   */
  noteRelist(from: string, to: string): void {
    this.#gaps.push({ from, to });
    this.#relistedTo = to;
    const oldest = this.#gaps.length > MAX_GAPS ? this.#gaps.shift() : undefined;
    if (oldest !== undefined) this.#raiseStart(oldest.to);
  }

  /** A version ahead of the hub that is not newer than this one is of a past that the cloud gave up. */
  get forgottenTo(): string {
    return this.#forgottenTo;
  }

  /** Version of the last list; empty if there was none. */
  get relistedTo(): string {
    return this.#relistedTo;
  }

  #raiseStart(version: string): void {
    this.#start = newerResourceVersion(this.#start, version);
  }

  /** Whether everything that a watcher at `resourceVersion` has not seen is held, or still to come. */
  covers(resourceVersion: string): boolean {
    return compareResourceVersions(resourceVersion, this.#start) >= 0 &&
      !this.#gaps.some(({ from, to }) =>
        compareResourceVersions(from, resourceVersion) < 0 &&
        compareResourceVersions(resourceVersion, to) < 0
      );
  }

  /**
   * The position of the first event that a watcher at `resourceVersion` has not seen; undefined when the
   * window does not cover it.
   */
  locate(resourceVersion: string): number | undefined {
    if (!this.covers(resourceVersion)) return undefined;
    const index = this.#events.findIndex((event) => isNews(event, resourceVersion));
    return index < 0 ? this.end : this.#first + index;
  }
}

/** Whether a watcher at `position` has not seen the event. */
export function isNews({ resourceVersion, foundGone }: WindowEvent, position: string): boolean {
  const order = compareResourceVersions(resourceVersion, position);
  return order > 0 || (order === 0 && foundGone === true);
}
