import type { Clock } from "../kernel/clock.ts";
import { UnavailableError } from "../kernel/errors.ts";
import type { DemoClient, KubeList } from "./demo_client.ts";
import type { KubeObject } from "./fake_resources.ts";
import type { Status } from "./fake_status.ts";
import { formatMs } from "./timeline.ts";

/** One event of a watch. */
export interface FollowedEvent {
  type: string;
  name: string;
  resourceVersion: string;
  /** Monotonic ms of its arrival. */
  atMs: number;
}

/** Lists a collection once and follows it by watch, as an informer does, across restarts of its server. */
export class Follower {
  readonly path: string;
  /** All events so far, bookmarks not counted. */
  readonly events: FollowedEvent[] = [];
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #resourceVersion = "";
  #error: string | undefined;
  /** The Response is kept: an abort does not reach a stream whose Response was collected as garbage. */
  #stream: { abort: AbortController; response: Response; over: Promise<void> } | undefined;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /** The position to resume from. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** Whether a watch is open. */
  get open(): boolean {
    return this.#stream !== undefined;
  }

  /** What an ERROR event said. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Lists as informers do at their start; returns the objects. */
  async list(client: DemoClient): Promise<KubeObject[]> {
    const { body } = await client.read<KubeList>(`${this.path}?limit=500&resourceVersion=0`);
    this.#resourceVersion = body.metadata.resourceVersion;
    return body.items;
  }

  /** Watches from the position reached; resolves once the watch is open. */
  async watch(client: DemoClient): Promise<void> {
    const abort = new AbortController();
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${this.#resourceVersion}`;
    const response = await client.open(`${this.path}?${query}`, abort.signal);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new UnavailableError(`WATCH ${this.path} was answered ${response.status}`);
    }
    const over = this.#read(response).finally(() => {
      this.#stream = undefined;
      this.#wake();
    });
    this.#stream = { abort, response, over };
  }

  /** Ends the watch, if one is open. */
  async close(): Promise<void> {
    const stream = this.#stream;
    stream?.abort.abort();
    await stream?.over;
  }

  /**
   * Resolves when `condition` holds; it is asked after each event and at the end of the watch.
   * @throws {UnavailableError} when it doesn't within the limit, or the watch ends before.
   */
  async until(condition: () => boolean, what: string, limitMs: number): Promise<void> {
    const late = new AbortController();
    const cancel = this.#clock.timer(limitMs, () => {
      late.abort();
      this.#wake();
    });
    try {
      while (!condition()) {
        if (this.#error !== undefined) throw new UnavailableError(`the watch got ${this.#error}`);
        if (!this.open) throw new UnavailableError(`the watch ended before ${what}`);
        if (late.signal.aborted) {
          throw new UnavailableError(`no ${what} within ${formatMs(limitMs)}`);
        }
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } finally {
      cancel();
    }
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for await (const chunk of response.body!) {
        text += decoder.decode(chunk, { stream: true });
        const lines = text.split("\n");
        text = lines.pop()!;
        for (const line of lines) this.#take(JSON.parse(line));
      }
    } catch {
      // Cut off: as over as one that ended.
    }
  }

  #take({ type, object }: { type: string; object: KubeObject }): void {
    if (type === "ERROR") {
      const { code, message } = object as unknown as Status;
      this.#error = `${code} ${message}`;
    } else {
      const { name, resourceVersion = "" } = object.metadata;
      this.#resourceVersion = resourceVersion;
      const atMs = this.#clock.monotonic();
      if (type !== "BOOKMARK") this.events.push({ type, name, resourceVersion, atMs });
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
