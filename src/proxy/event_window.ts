import { compareResourceVersions, newerResourceVersion } from "../kube/resource_version.ts";
import type { ChangeType } from "../kube/watch_event.ts";

/** An event as every watcher of a hub is sent it. */
export interface WindowEvent {
  type: ChangeType;
  resourceVersion: string;
  /**
   * Set when a relist found the object gone: the version of the list. The event is stamped with the
   * version before it, which a watcher that stands at that very version still needs; and who stands
   * between the two may or may not know of it.
   */
  goneBy?: string;
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
      // A watcher that stands below the list that found an object gone would miss a dropped `goneBy` event.
      this.#start = newerResourceVersion(this.#start, oldest.goneBy ?? oldest.resourceVersion);
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
   * window can't tell.
   */
  locate(resourceVersion: string): number | undefined {
    if (compareResourceVersions(resourceVersion, this.#start) < 0) return undefined;
    let found = this.#events.length;
    for (const [index, event] of this.#events.entries()) {
      if (isAmbiguous(event, resourceVersion)) return undefined;
      const order = compareResourceVersions(event.resourceVersion, resourceVersion);
      if (order > 0 || (order === 0 && event.goneBy !== undefined)) found = Math.min(found, index);
    }
    return this.#first + found;
  }
}

/** Whether a watcher at a version may or may not know of an object that a relist found gone. */
export function isAmbiguous({ resourceVersion, goneBy }: WindowEvent, position: string): boolean {
  return goneBy !== undefined && compareResourceVersions(resourceVersion, position) < 0 &&
    compareResourceVersions(position, goneBy) < 0;
}
