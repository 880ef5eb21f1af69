import { apiVersionOf, type KubeObject } from "./fake_resources.ts";
import { isTrue, parseResourceVersion, type Target, waitFor } from "./fake_list.ts";
import { type Selector, selectorOf } from "./fake_selector.ts";
import { expired, invalidOptions, StatusError } from "./fake_status.ts";
import type { StoreEvent } from "./fake_store.ts";
import { renderObject } from "./fake_views.ts";

/** The real one sends a last bookmark this long before a watch times out, ms. */
const BOOKMARK_BEFORE_END_MS = 2_000;

/** Beyond what a {@linkcode Target} says. */
export interface WatchOptions {
  /** Time between bookmarks, ms. The real one takes about a minute. */
  bookmarkIntervalMs: number;
  /** Ends all watches when it aborts. */
  stop: AbortSignal;
  /** While it says so, nothing is sent; {@linkcode FakeWatch.flush} sends what has gathered. */
  isMuted: () => boolean;
}

type Frame = { type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR"; object: unknown };

/** One watch stream: newline-delimited JSON frames. */
export class FakeWatch {
  /** The body of the answer. */
  readonly body: ReadableStream<Uint8Array>;
  readonly #target: Target;
  readonly #options: WatchOptions;
  readonly #selector: Selector;
  readonly #wantsBookmarks: boolean;
  readonly #cleanup: (() => void)[] = [];
  readonly #encoder = new TextEncoder();
  #pending: Frame[] = [];
  /** Events up to here are not for this watcher. */
  #position = 0;
  #firstFrame = true;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** @throws {StatusError} 400 or 422 for options that make no sense. */
  constructor(target: Target, options: WatchOptions) {
    this.#target = target;
    this.#options = options;
    this.#selector = selectorOf(target.resource, target.query);
    this.#wantsBookmarks = isTrue(target.query, "allowWatchBookmarks");
    checkWatchOptions(target.query);
    const asked = parseResourceVersion(target.query.get("resourceVersion") ?? "");
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        const end = () => this.#end();
        options.stop.addEventListener("abort", end, { once: true });
        this.#cleanup.push(() => options.stop.removeEventListener("abort", end));
        this.#begin(asked);
      },
      cancel: () => this.#end(),
    }, { highWaterMark: 1 });
  }

  /** Sends what gathered while muted. */
  flush(): void {
    const frames = this.#pending;
    this.#pending = [];
    for (const frame of frames) this.#send(frame);
  }

  /** Calls `callback` when the watch is over, for whatever reason. */
  onEnd(callback: () => void): void {
    if (this.#controller === undefined) callback();
    else this.#cleanup.push(callback);
  }

  #begin(asked: number): void {
    const { store, resource, query } = this.#target;
    const sendInitialEvents = query.get("sendInitialEvents");
    // SetListOptionsDefaults of the apiserver: a watch from the start is one with initial events.
    const legacy = sendInitialEvents === null && asked === 0;
    if (legacy || (sendInitialEvents !== null && isTrue(query, "sendInitialEvents"))) {
      void this.#beginWatchList(asked);
      return;
    }
    if (asked === 0) {
      this.#position = store.resourceVersion;
    } else if (asked < store.oldestOf(resource)) {
      this.#fail(expired(`too old resource version: ${asked} (${store.oldestOf(resource)})`));
      return;
    } else {
      this.#position = asked;
      for (const event of store.since(resource, asked)) this.#deliver(event);
    }
    this.#follow();
  }

  async #beginWatchList(asked: number): Promise<void> {
    const { store, clock } = this.#target;
    try {
      if (asked > store.resourceVersion) await waitFor(store, clock, asked);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      this.#fail(error);
      return;
    }
    if (this.#controller === undefined) return;
    this.#sendInitial();
    this.#position = store.resourceVersion;
    if (this.#wantsBookmarks) {
      this.#bookmark(this.#position, { "k8s.io/initial-events-end": "true" });
    }
    this.#follow();
  }

  #follow(): void {
    const { store, clock, query } = this.#target;
    this.#cleanup.push(store.subscribe((event) => this.#deliver(event)));
    const timeoutMs = Number(query.get("timeoutSeconds") ?? 0) * 1_000;
    const deadline = timeoutMs > 0 ? clock.monotonic() + timeoutMs : Infinity;
    if (timeoutMs > 0) this.#cleanup.push(clock.timer(timeoutMs, () => this.#end()));
    if (this.#wantsBookmarks) this.#scheduleBookmark(deadline);
  }

  #scheduleBookmark(deadline: number): void {
    const { clock } = this.#target;
    const beforeEndMs = deadline - BOOKMARK_BEFORE_END_MS - clock.monotonic();
    const intervalMs = this.#options.bookmarkIntervalMs;
    const waitMs = beforeEndMs > 0 ? Math.min(beforeEndMs, intervalMs) : intervalMs;
    this.#cleanup.push(clock.timer(waitMs, () => {
      // Without a progress notification from etcd the watch cache knows only of the resource's own events.
      const reached = this.#target.store.newestOf(this.#target.resource);
      if (reached >= this.#position) this.#bookmark(reached);
      this.#scheduleBookmark(deadline);
    }));
  }

  #sendInitial(): void {
    const { store, resource, namespace } = this.#target;
    for (const object of store.list(resource, namespace).filter(this.#selector)) {
      this.#sendObject("ADDED", object);
    }
  }

  /** An object that stops matching the selector is gone for this watcher, one that starts is new. */
  #deliver({ resourceVersion, resource, object, previous }: StoreEvent): void {
    const { resource: wanted, namespace } = this.#target;
    if (resource !== wanted || resourceVersion <= this.#position) return;
    if (namespace !== "" && (object ?? previous)!.metadata.namespace !== namespace) return;
    const matched = previous !== undefined && this.#selector(previous);
    const matches = object !== undefined && this.#selector(object);
    if (matches) this.#sendObject(matched ? "MODIFIED" : "ADDED", object);
    else if (matched) {
      const metadata = { ...previous.metadata, resourceVersion: String(resourceVersion) };
      this.#sendObject("DELETED", { ...previous, metadata });
    }
  }

  #sendObject(type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", object: KubeObject): void {
    const { view, resource, clock } = this.#target;
    let rendered = renderObject(view, resource, object, clock.now());
    if (view.as === "Table" && !this.#firstFrame) {
      // Column definitions come once per stream.
      rendered = { ...rendered as Record<string, unknown>, columnDefinitions: null };
    }
    this.#firstFrame = false;
    this.#send({ type, object: rendered });
  }

  #bookmark(reached: number, annotations?: Record<string, string>): void {
    const { resource } = this.#target;
    const resourceVersion = String(reached);
    this.#sendObject("BOOKMARK", {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: { resourceVersion, ...(annotations && { annotations }) } as KubeObject["metadata"],
    });
  }

  #fail(error: StatusError): void {
    this.#send({ type: "ERROR", object: error.status });
    this.#end();
  }

  #send(frame: Frame): void {
    if (this.#options.isMuted()) this.#pending.push(frame);
    else this.#controller?.enqueue(this.#encoder.encode(`${JSON.stringify(frame)}\n`));
  }

  #end(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    this.#controller = undefined;
    for (const undo of this.#cleanup.splice(0)) undo();
    try {
      controller.close();
    } catch {
      // The client has cancelled: it is closed already.
    }
  }
}

function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get("resourceVersionMatch") ?? "";
  const field = "resourceVersionMatch";
  if (!query.has("sendInitialEvents")) {
    if (match === "") return;
    const why = "is forbidden for watch unless sendInitialEvents is provided";
    throw invalidOptions(field, `Forbidden: resourceVersionMatch ${why}`);
  }
  if (match !== "NotOlderThan") {
    const why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    throw invalidOptions(field, `Forbidden: ${why}`);
  }
}
