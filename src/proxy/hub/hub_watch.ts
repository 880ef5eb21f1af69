import type { Clock } from "../../kernel/clock.ts";
import { formatErrorFrame, formatItemFrame } from "../../kube/codec/encoding.ts";
import { concatBytes } from "../../kube/codec/json.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus } from "../../kube/status.ts";
import { isNews } from "./event_window.ts";
import type { Hub } from "./hub.ts";
import { DamagedError } from "../store/rows.ts";
import type { Snapshot } from "../store/snapshot.ts";

/** What a client asked of a watch. */
export interface WatchOptions {
  /** Empty or "0": begin with the objects that are there. */
  resourceVersion: string;
  bookmarks: boolean;
  /** WatchList (KEP-3157): the objects that are there, then an annotated bookmark. */
  sendInitialEvents: boolean;
  timeoutMs: number;
  /** Ends the watch, for a stop of the agent. */
  signal: AbortSignal;
}

/** Told how a watch ended. */
export type WatchEnd = "timeout" | "client" | "slow" | "expired" | "stopped" | "damaged";

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
  #initialVersion = "";
  #position = 0;
  /** Events up to here are known to the client, which is ahead of the hub (it was restarted). */
  #skipUpTo = "";
  #seenBookmark: string;
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
      this.#initialVersion = hub.resourceVersion;
      this.#initial = hub.content.snapshot();
      this.#position = hub.window.end;
      return;
    }
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
    const { encoding, itemType } = this.#hub;
    let objects;
    try {
      objects = initial.next();
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      // A watch that ends makes its client come again, and wait for the new list.
      this.#hub.damaged(error.key);
      return { end: "damaged" };
    }
    const frames = objects.map(({ body }) => formatItemFrame(encoding, "ADDED", body, itemType));
    if (frames.length > 0) return { frames };
    this.#initial = undefined;
    const { sendInitialEvents, bookmarks } = this.#options;
    if (!sendInitialEvents || !bookmarks) return this.next();
    return { frames: [encoding.formatBookmark(itemType, this.#initialVersion, true)] };
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
      frames.push(event.frame);
      bytes += event.frame.length;
    }
    // From here on the client and the hub stand at the same place. (No bookmark before: it would take the
    // client back.)
    if (compareResourceVersions(this.#skipUpTo, hub.resourceVersion) <= 0) this.#skipUpTo = "";
    const due = this.#timedOut || hub.window.bookmark !== this.#seenBookmark;
    if (this.#options.bookmarks && due && this.#skipUpTo === "") {
      this.#seenBookmark = hub.window.bookmark;
      // Not the version that the cloud vouched for: events that came since have been sent already.
      frames.push(hub.encoding.formatBookmark(hub.itemType, hub.resourceVersion));
    }
    const end = this.#timedOut ? "timeout" as const : undefined;
    return frames.length > 0 ? { frames, end } : { end };
  }

  [Symbol.dispose](): void {
    this.#initial?.[Symbol.dispose]();
  }
}
