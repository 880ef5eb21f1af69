import { compareResourceVersions } from "../kube/resource_version.ts";
import type { ChangeType } from "../kube/watch_event.ts";

/** An event as every watcher of a hub is sent it. */
export interface WindowEvent {
  type: ChangeType;
  resourceVersion: string;
  /**
   * Found gone by a relist, so stamped with the version before it: a watcher that stands at that very
   * version still needs it.
   */
  foundGone: boolean;
  /** The frame with its newline; shared by all watchers. */
  frame: Uint8Array;
}

/** Bounds of a window. */
export interface WindowLimits {
  maxEvents: number;
  maxBytes: number;
}

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
  #epoch = 0;
  #relists = 0;
  #relistedFrom = "";
  /** Newest version that the cloud vouched for without an event; empty if there was none. */
  bookmark = "";

  constructor(limits: WindowLimits, start: string) {
    this.#limits = limits;
    this.#start = start;
  }

  /** All events newer than this resourceVersion are held. */
  get start(): string {
    return this.#start;
  }

  /** Counts how often the past was thrown away: watchers of an older epoch must list again. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Counts the lists that replaced the content. */
  get relists(): number {
    return this.#relists;
  }

  /** Where the last relist began: who is ahead of it may have seen what it does not know. */
  get relistedFrom(): string {
    return this.#relistedFrom;
  }

  /** The events that follow are the difference that a list made, from a version on. */
  noteRelist(from: string): void {
    this.#relists++;
    this.#relistedFrom = from;
  }

  /** Throws the past away: nothing is known of how it led to `start`. */
  restart(start: string): void {
    this.#first = this.end;
    this.#events = [];
    this.#bytes = 0;
    this.#start = start;
    this.#epoch++;
  }

  /** Position behind the newest event. */
  get end(): number {
    return this.#first + this.#events.length;
  }

  push(event: WindowEvent): void {
    this.#events.push(event);
    this.#bytes += event.frame.length;
    let drop = 0;
    while (
      this.#events.length - drop > this.#limits.maxEvents || this.#bytes > this.#limits.maxBytes
    ) {
      const oldest = this.#events[drop];
      if (oldest === undefined) break;
      this.#bytes -= oldest.frame.length;
      // A watcher that stands at the version of a dropped `foundGone` event would miss it.
      this.#start = oldest.foundGone
        ? String(BigInt(oldest.resourceVersion) + 1n)
        : oldest.resourceVersion;
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
   * The position of the first event that a watcher at `resourceVersion` has not seen; undefined when the
   * window does not reach back so far.
   */
  locate(resourceVersion: string): number | undefined {
    if (compareResourceVersions(resourceVersion, this.#start) < 0) return undefined;
    const index = this.#events.findIndex((event) => {
      const order = compareResourceVersions(event.resourceVersion, resourceVersion);
      return order > 0 || (order === 0 && event.foundGone);
    });
    return index < 0 ? this.end : this.#first + index;
  }
}
