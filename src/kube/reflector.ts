import type { Backoff } from "../kernel/backoff.ts";
import { expectEncoding, ExpiredError, RefusedError, toAnswer } from "./answer.ts";
import { chunksOf } from "./body.ts";
import type { Encoding } from "./codec/encoding.ts";
import type { ListHead } from "./codec/list.ts";
import { type Pause, pauseAtLeast } from "./pause.ts";
import { isResourceVersion } from "./resource_version.ts";
import type { WatchEvent } from "./watch_event.ts";

/** What a reflector mirrors. */
export interface ReflectorTarget {
  /** Path of the collection. */
  path: string;
  /** Selectors, verbatim (the Node authorizer needs them so). */
  query: Readonly<Record<string, string>>;
  listAccept: string;
  watchAccept: string;
  /** What both ask for: a server that answers in another one is as good as one that answers 406. */
  encoding: Encoding;
}

/** Sends a GET to the API server; rejects when the server can't be reached. */
export type Send = (
  pathAndQuery: string,
  options: { accept: string; purpose: "list" | "watch"; signal: AbortSignal },
) => Promise<Response>;

/** A new list on its way in. Until `commit` nothing of it is seen. */
export interface Replacement {
  /** Takes items; resolves when there is room for more. */
  add(items: Uint8Array[]): Promise<void>;
  /** The list is whole: it becomes the state. */
  commit(head: ListHead): void;
  /** The list broke: it is forgotten. */
  abandon(): void;
}

/** What must be checked before stored state is current. */
export type CatchUp = "none" | "relist" | "watch";

/** Where a reflector puts what it learns. */
export interface ReflectorSink {
  /** The resourceVersion up to which everything is known; undefined before the first list. */
  position(): string | undefined;
  catchUp(): CatchUp;
  replace(): Replacement;
  change(event: WatchEvent & { type: "ADDED" | "MODIFIED" | "DELETED" }): void;
  bookmark(resourceVersion: string): void;
  /** A watch that would tell everything from here on stands, or the state is known to be the newest. */
  caughtUp(): void;
  /** The server accepted a watch from where the sink stands. */
  watching(): void;
  /** The server said no to this list or watch. */
  refused(error: RefusedError): void;
  /** A try failed. */
  failed(error: unknown): void;
}

/** What a reflector works with. */
export interface ReflectorOptions {
  target: ReflectorTarget;
  send: Send;
  sink: ReflectorSink;
  backoff: Backoff;
  pause: Pause;
  /** Monotonic ms. */
  monotonic: () => number;
  /** 0 to 1 exclusive. */
  random: () => number;
}

/** Objects per page of a LIST, as client-go's pager. */
const PAGE_LIMIT = 500;
/**
 * A watch that only finds out whether the stored state is the newest: it brings what is newer, and about
 * 2 s before its end a bookmark if the server's cache has moved on, or nothing at all if it has not.
 */
const CATCH_UP_SECONDS = 3;
/** How long such a watch must have stood for its silence to mean something. */
const CATCH_UP_PROOF_MS = 2_500;
const MIN_WATCH_SECONDS = 300;
/** A watch that ends sooner is no watch, as for client-go. */
const SHORT_WATCH_MS = 1_000;

/**
 * Keeps a sink equal to a collection of the API server: LIST in pages, then WATCH with bookmarks, resumed
 * from the last resourceVersion after any break; a relist only when the server says 410.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  /** Whether the current round got anything from the server: then the next one may begin at once. */
  #progress = false;
  #relist = false;
  /** Times that the server said 410 since a watch stood. */
  #expiries = 0;
  /** Pages ran out of their server's memory (410 to a continue token): the next list comes in one piece. */
  #unpaged = false;

  constructor(options: ReflectorOptions) {
    this.#options = options;
  }

  /** Works until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { sink, backoff, pause } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#round(signal);
        if (this.#progress) backoff.reset();
        else await pause(backoff.next(), signal); // a watch that ends at once would spin
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ExpiredError) {
          this.#relist = true;
          // A server that says nothing else must not be flooded.
          if (++this.#expiries === 1) continue;
        }
        sink.failed(error);
        const refused = error instanceof RefusedError;
        if (refused) sink.refused(error);
        else if (this.#progress && this.#expiries === 0) backoff.reset();
        const stayAwayMs = refused ? error.retryAfterMs : 0;
        await pauseAtLeast(stayAwayMs, backoff.next(), this.#options, signal);
      }
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { sink, random, monotonic } = this.#options;
    this.#progress = false;
    if (this.#relist || sink.catchUp() === "relist" || sink.position() === undefined) {
      await this.#list(signal);
      this.#relist = false;
      if (sink.position() === undefined) return; // it counts for nothing: another one was begun meanwhile
    }
    if (sink.catchUp() !== "watch") {
      // As client-go: a random share spreads the ends of many watches.
      return await this.#watch(Math.round(MIN_WATCH_SECONDS * (1 + random())), signal);
    }
    const startedAt = monotonic();
    await this.#watch(CATCH_UP_SECONDS, signal);
    if (monotonic() - startedAt >= CATCH_UP_PROOF_MS) sink.caughtUp();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { sink, target } = this.#options;
    const replacement = sink.replace();
    let token = "";
    try {
      let first: ListHead | undefined;
      do {
        const query = {
          ...target.query,
          ...(!this.#unpaged && { limit: String(PAGE_LIMIT) }),
          ...(token !== "" && { continue: token }),
        };
        const response = await this.#get(query, "list", signal);
        const splitter = target.encoding.createListSplitter();
        for await (const chunk of chunksOf(response, signal)) {
          this.#progress = true;
          await replacement.add(splitter.push(chunk));
        }
        const head = splitter.end();
        if (first !== undefined && head.resourceVersion !== first.resourceVersion) {
          throw new ExpiredError(
            `Cannot list ${target.path}: its pages are of the resourceVersions ${first.resourceVersion} and ${head.resourceVersion}`,
          );
        }
        first ??= head;
        token = head.continue;
      } while (token !== "");
      if (!isResourceVersion(first.resourceVersion)) {
        throw new SyntaxError(
          `Cannot list ${target.path}: its resourceVersion is "${first.resourceVersion}"`,
        );
      }
      replacement.commit(first);
      this.#unpaged = false;
    } catch (error) {
      replacement.abandon();
      if (error instanceof ExpiredError && token !== "") this.#unpaged = true;
      throw error;
    }
  }

  async #watch(timeoutSeconds: number, signal: AbortSignal): Promise<void> {
    const { sink, target } = this.#options;
    const query = {
      ...target.query,
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: sink.position()!,
      timeoutSeconds: String(timeoutSeconds),
    };
    const response = await this.#get(query, "watch", signal);
    sink.watching();
    const startedAt = this.#options.monotonic();
    const splitter = target.encoding.createFrameSplitter();
    try {
      for await (const chunk of chunksOf(response, signal)) {
        this.#progress ||= chunk.length > 0;
        for (const frame of splitter.push(chunk)) this.#take(frame);
      }
    } finally {
      if (this.#options.monotonic() - startedAt >= SHORT_WATCH_MS) {
        this.#progress = true;
        this.#expiries = 0;
      }
    }
  }

  #take(frame: Uint8Array): void {
    const { sink, target } = this.#options;
    const event = target.encoding.parseWatchEvent(frame);
    switch (event.type) {
      case "BOOKMARK":
        sink.bookmark(target.encoding.readMeta(event.object).resourceVersion);
        sink.caughtUp();
        return;
      case "ERROR": {
        const status = target.encoding.readStatus(event.object);
        const message = `Cannot watch ${target.path}: ${status.message ?? "unknown error"}`;
        if (status.code === 410) throw new ExpiredError(message);
        throw new Error(message);
      }
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        sink.change({ type: event.type, object: event.object });
        return;
      default:
        event.type satisfies never;
    }
  }

  /** A 200 answer in our encoding. @throws {ExpiredError} on 410, {RefusedError} on any other refusal. */
  async #get(
    query: Record<string, string>,
    purpose: "list" | "watch",
    signal: AbortSignal,
  ): Promise<Response> {
    const { send, target } = this.#options;
    const options = { accept: target[`${purpose}Accept`], purpose, signal };
    const response = await send(`${target.path}?${new URLSearchParams(query)}`, options);
    const what = `${purpose} ${target.path}`;
    if (response.status === 200) return await expectEncoding(response, target.encoding, what);
    const refusal = new RefusedError(what, await toAnswer(response, signal));
    throw response.status === 410 ? new ExpiredError(refusal.message) : refusal;
  }
}
