/**
 * A watch as a plain HTTP client sees it.
 *
 * @module
 */

import { TextLineStream } from "../lines.ts";
import { until } from "../poll.ts";
import { type FetchPath, type KubeObject, PATIENCE_MS } from "./site.ts";

/** The query of a WatchList (KEP-3157), as client-go asks. */
export const WATCH_LIST = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan" +
  "&allowWatchBookmarks=true";

/** One frame of a watch, decoded. */
export interface Frame {
  readonly type: string;
  readonly object: KubeObject;
}

/** An open watch; its frames gather until it is disposed of. */
export class WatchClient implements AsyncDisposable {
  readonly frames: Frame[] = [];
  readonly response: Response;
  #state: "open" | "ended" | "broken" = "open";
  readonly #stop: AbortController;
  readonly #reading: Promise<void>;

  private constructor(response: Response, stop: AbortController) {
    this.response = response;
    this.#stop = stop;
    this.#reading = this.#read(response);
  }

  /** Opens a watch; throws unless it is answered 200. */
  static async open(
    fetchPath: FetchPath,
    path: string,
    headers: HeadersInit = {},
  ): Promise<WatchClient> {
    const stop = new AbortController();
    const response = await fetchPath(path, { headers, signal: stop.signal });
    if (response.status !== 200) {
      throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
    }
    return new WatchClient(response, stop);
  }

  /** `broken`: the body did not come to a clean end. */
  get state(): "open" | "ended" | "broken" {
    return this.#state;
  }

  /** The changes, without bookmarks: type, name and resourceVersion. */
  get changes(): Frame[] {
    return this.frames.filter(({ type }) => type !== "BOOKMARK");
  }

  /** Waits until the frames are as wanted. */
  async waitFor(
    what: string,
    isThere: (frames: readonly Frame[]) => boolean,
    timeoutMs: number = PATIENCE_MS,
  ): Promise<void> {
    try {
      await until(what, () => isThere(this.frames), { timeoutMs });
    } catch (cause) {
      const frames = this.frames.map(describeFrame).join(", ");
      throw new Error(`The watch (${this.#state}) did not show ${what}: ${frames}`, { cause });
    }
  }

  /** Waits for a frame of a type about an object. */
  async sees(type: string, name: string, timeoutMs?: number): Promise<void> {
    await this.waitFor(
      `${type} ${name}`,
      (frames) =>
        frames.some((frame) => frame.type === type && frame.object.metadata.name === name),
      timeoutMs,
    );
  }

  /** Waits for the bookmark behind the initial events. */
  async seesInitialEventsEnd(timeoutMs?: number): Promise<void> {
    await this.waitFor(
      "the end of the initial events",
      (frames) => frames.some(isInitialEventsEnd),
      timeoutMs,
    );
  }

  async #read(response: Response): Promise<void> {
    try {
      for await (const line of response.body!.pipeThrough(new TextLineStream())) {
        if (line !== "") this.frames.push(JSON.parse(line));
      }
      this.#state = "ended";
    } catch {
      this.#state = "broken";
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#reading;
  }
}

/** Whether a frame ends the initial events of a WatchList. */
export function isInitialEventsEnd({ type, object }: Frame): boolean {
  return type === "BOOKMARK" &&
    object.metadata.annotations?.["k8s.io/initial-events-end"] === "true";
}

/** `ADDED a@12`. */
export function describeFrame({ type, object }: Frame): string {
  const { name = "", resourceVersion = "" } = object.metadata ?? {};
  return `${type} ${name}@${resourceVersion}`;
}
