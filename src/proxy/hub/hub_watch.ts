import type { Clock } from "../../kernel/clock.ts";
import { formatErrorFrame, formatItemFrame } from "../../kube/codec/encoding.ts";
import { concatBytes } from "../../kube/codec/json.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus } from "../../kube/status.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { isNews } from "./event_window.ts";
import type { Hub } from "./hub.ts";
import { DamagedError } from "../store/rows.ts";
import type { Snapshot } from "../store/snapshot.ts";
import { isInView, showItem, type View, viewFrame, viewType } from "./view.ts";

/** What a client asked of a watch. */
export interface WatchOptions {
  /** Empty or "0": begin with the objects that are there. */
  resourceVersion: string;
  bookmarks: boolean;
  /** WatchList (KEP-3157): the objects that are there, then an annotated bookmark. */
  sendInitialEvents: boolean;
  timeoutMs: number;
  /** The part of the hub that the client sees; by default all of it. */
  view?: View;
  /** Ends the watch, for a stop of the agent. */
  signal: AbortSignal;
}

/** Told how a watch ended. */
export type WatchEnd = "timeout" | "client" | "slow" | "expired" | "stopped" | "damaged";

/** The real one's `defaultBookmarkFrequency`, and how long before a watch's end it sends the last one, ms. */
const BOOKMARK_INTERVAL_MS = 60_000;
const BOOKMARK_BEFORE_END_MS = 2_000;

/** Most that is handed to the socket at once. */
const MAX_CHUNK_BYTES = 256 * 1024;

/** The body of a watch of `hub`. Each pull takes what came since; nothing is queued per watcher. */
export function watchHub(
  hub: Hub,
  options: WatchOptions,
  clock: Clock,
  ended: (end: WatchEnd) => void,
): ReadableStream<Uint8Array> {
  const watcher = new HubWatcher(hub, options);
  const cleanups: (() => void)[] = [];
  const finish = (end: WatchEnd) => {
    if (cleanups.length === 0) return;
    for (const cleanup of cleanups.splice(0)) cleanup();
    ended(end);
  };
  let wake = () => {};
  const onWake = () => wake();
  let stopBookmarks = () => {};
  const scheduleBookmark = (leftMs: number) => {
    const beforeEndMs = leftMs - BOOKMARK_BEFORE_END_MS;
    const waitMs = beforeEndMs > 0 ? Math.min(beforeEndMs, BOOKMARK_INTERVAL_MS) : leftMs;
    stopBookmarks = clock.timer(waitMs, () => {
      watcher.bookmarkIsDue();
      onWake();
      if (leftMs > waitMs) scheduleBookmark(leftMs - waitMs);
    });
  };
  return new ReadableStream<Uint8Array>({
    start() {
      cleanups.push(
        hub.subscribe(onWake),
        clock.timer(options.timeoutMs, () => {
          watcher.timeout();
          onWake();
        }),
        () => options.signal.removeEventListener("abort", onWake),
        () => watcher[Symbol.dispose](),
      );
      options.signal.addEventListener("abort", onWake, { once: true });
      if (!options.bookmarks) return;
      scheduleBookmark(options.timeoutMs);
      cleanups.push(() => stopBookmarks());
    },
    async pull(controller) {
      for (;;) {
        let step: Step;
        try {
          step = options.signal.aborted ? { end: "stopped" } : watcher.next();
        } catch (error) {
          finish("damaged");
          throw error;
        }
        if (step.frames !== undefined) controller.enqueue(concatBytes(step.frames));
        if (step.end !== undefined) {
          finish(step.end);
          controller.close();
          return;
        }
        if (step.frames !== undefined) return;
        await new Promise<void>((resolve) => wake = resolve);
        if (cleanups.length === 0) return; // cancelled meanwhile
      }
    },
    cancel() {
      finish("client");
      onWake();
    },
  }, { highWaterMark: 0 });
}

/** Frames to send now, or the reason to end after them, or neither: nothing to do yet. */
interface Step {
  frames?: Uint8Array[];
  end?: WatchEnd;
}

/** One watcher's place in its hub. */
class HubWatcher implements Disposable {
  readonly #hub: Hub;
  readonly #options: WatchOptions;
  readonly #epoch: number;
  /** The objects to begin with, until all are sent. */
  #initial: Snapshot | undefined;
  /** Where the watch began: no bookmark before it is left behind. */
  #beginning = "";
  #position = 0;
  /** Events up to here are known to the client, which is ahead of the hub (it was restarted). */
  #skipUpTo = "";
  #seenBookmark: string;
  /** Version in the last bookmark that was sent. */
  #lastBookmark = "";
  #bookmarkIsDue = false;
  #timedOut = false;
  #expired: string | undefined;

  constructor(hub: Hub, options: WatchOptions) {
    this.#hub = hub;
    this.#options = options;
    this.#epoch = hub.window.epoch;
    this.#seenBookmark = hub.window.bookmark;
    const { resourceVersion, sendInitialEvents } = options;
    const fromStart = !isResourceVersion(resourceVersion);
    if (fromStart || sendInitialEvents) {
      this.#beginning = hub.resourceVersion;
      this.#initial = hub.content.snapshot(options.view?.range);
      this.#position = hub.window.end;
      return;
    }
    this.#beginning = resourceVersion;
    const position = hub.window.locate(resourceVersion);
    const isAhead = compareResourceVersions(resourceVersion, hub.resourceVersion) > 0;
    const isOfThePast = compareResourceVersions(resourceVersion, hub.window.forgottenTo) <= 0;
    if (position === undefined || (isAhead && isOfThePast)) {
      this.#expired = `too old resource version: ${resourceVersion} (${hub.window.start})`;
    } else {
      this.#position = position;
      if (isAhead) this.#skipUpTo = resourceVersion;
    }
  }

  timeout(): void {
    this.#timedOut = true;
  }

  bookmarkIsDue(): void {
    this.#bookmarkIsDue = true;
  }

  next(): Step {
    if (this.#initial !== undefined) return this.#nextInitial(this.#initial);
    const hub = this.#hub;
    if (this.#epoch !== hub.window.epoch) {
      this.#expired = `the API server's history was replaced, list again (${hub.resourceVersion})`;
    } else if (this.#skipUpTo !== "" && !hub.window.covers(this.#skipUpTo)) {
      this.#expired = `too old resource version: ${this.#skipUpTo} (${hub.resourceVersion})`;
    }
    if (this.#expired !== undefined) {
      return {
        frames: [formatErrorFrame(hub.encoding, expiredStatus(this.#expired))],
        end: "expired",
      };
    }
    return this.#nextEvents();
  }

  #nextInitial(initial: Snapshot): Step {
    const { view = {} } = this.#options;
    const { encoding } = this.#hub;
    const itemType = viewType(view, this.#hub.itemType);
    let objects: StoredObject[];
    do {
      try {
        objects = initial.next();
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        // A watch that ends makes its client come again, and wait for the new list.
        this.#hub.damaged(error.key);
        return { end: "damaged" };
      }
      const frames = objects.filter((object) => isInView(view, object))
        .map(({ body }) =>
          formatItemFrame(encoding, "ADDED", showItem(view, encoding, body), itemType)
        );
      if (frames.length > 0) return { frames };
    } while (objects.length > 0);
    this.#initial = undefined;
    const { sendInitialEvents, bookmarks } = this.#options;
    if (!sendInitialEvents || !bookmarks) return this.next();
    return { frames: [encoding.formatBookmark(itemType, this.#beginning, true)] };
  }

  #nextEvents(): Step {
    const hub = this.#hub;
    const events = hub.window.from(this.#position);
    if (events === undefined) return { end: "slow" };
    const frames: Uint8Array[] = [];
    let bytes = 0;
    for (const event of events) {
      if (bytes >= MAX_CHUNK_BYTES) return { frames };
      this.#position++;
      if (!isNews(event, this.#skipUpTo)) continue;
      const { view } = this.#options;
      const frame = view === undefined ? event.frame : viewFrame(view, event, hub);
      if (frame === undefined) continue;
      frames.push(frame);
      bytes += frame.length;
    }
    // From here on the client and the hub stand at the same place. (No bookmark before: it would take the
    // client back.)
    if (compareResourceVersions(this.#skipUpTo, hub.resourceVersion) <= 0) this.#skipUpTo = "";
    const told = this.#bookmarkIsDue ? this.#beginning : this.#lastBookmark;
    const due = this.#bookmarkIsDue || this.#timedOut ||
      hub.window.bookmark !== this.#seenBookmark;
    if (this.#options.bookmarks && due && this.#skipUpTo === "") {
      this.#seenBookmark = hub.window.bookmark;
      this.#bookmarkIsDue = false;
      // As the real one: none while nothing has moved since the watch began.
      if (compareResourceVersions(hub.resourceVersion, told) > 0) {
        this.#lastBookmark = hub.resourceVersion;
        const type = viewType(this.#options.view ?? {}, hub.itemType);
        // Not the version that the cloud vouched for: events that came since have been sent already.
        frames.push(hub.encoding.formatBookmark(type, hub.resourceVersion));
      }
    }
    const end = this.#timedOut ? "timeout" as const : undefined;
    return frames.length > 0 ? { frames, end } : { end };
  }

  [Symbol.dispose](): void {
    this.#initial?.[Symbol.dispose]();
  }
}
