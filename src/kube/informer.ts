import { Backoff } from "../kernel/backoff.ts";
import type { Clock } from "../kernel/clock.ts";
import { toStoredObject } from "./codec/encoding.ts";
import type { Encoding } from "./codec/encoding.ts";
import { Reflector, type Send } from "./reflector.ts";

/** What an informer mirrors, and what it keeps of each object. */
export interface InformerOptions<T> {
  /** Path of the collection, such as `/api/v1/nodes`. */
  path: string;
  /** Selectors. */
  query?: Readonly<Record<string, string>>;
  encoding: Encoding;
  /** What is kept of an object's bytes. @throws {SyntaxError} */
  read: (object: Uint8Array) => T;
  /** Whether two of them are the same: then nobody is told. */
  equals: (a: T, b: T) => boolean;
  send: Send;
  clock: Clock;
  /** 0 to 1 exclusive. */
  random: () => number;
  /** Called after the mirror changed, and when it became whole. */
  changed: () => void;
  /** Told of each change, for those who would not look at everything; before {@linkcode changed}. */
  events?: InformerEvents<T>;
  /** Called with every word of the server: then all that it said before is known. */
  heard?: () => void;
  /** A try failed. */
  failed: (error: unknown) => void;
}

/** What changes in a mirror. Keys are `namespace/name`, or `name`. */
export interface InformerEvents<T> {
  /** This is all that there is. The map is the mirror's own: it changes. */
  replaced(objects: ReadonlyMap<string, T>): void;
  /** An object came or changed, or (undefined) went. */
  applied(key: string, object: T | undefined): void;
}

/** A collection kept in memory, a small part of each object, by list and watch. */
export class Informer<T> {
  readonly #options: InformerOptions<T>;
  #objects = new Map<string, T>();
  #resourceVersion: string | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
  }

  /** What is mirrored; undefined before the first list. */
  get objects(): readonly T[] | undefined {
    return this.#resourceVersion === undefined ? undefined : [...this.#objects.values()];
  }

  /** Works until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void> {
    const { path, query = {}, encoding, send, clock, random } = this.#options;
    const { changed, events, heard = () => {}, failed } = this.#options;
    const { contentType } = encoding;
    return new Reflector({
      target: {
        path,
        // Of a cache if there is one: it costs the far API server nothing.
        query: { ...query, resourceVersion: "0" },
        listAccept: contentType,
        watchAccept: contentType,
        encoding,
      },
      send,
      backoff: new Backoff(clock, { random }),
      pause: (ms, signal) => clock.sleep(ms, signal),
      monotonic: () => clock.monotonic(),
      random,
      sink: {
        position: () => this.#resourceVersion,
        catchUp: () => "none",
        replace: () => {
          const fresh = new Map<string, T>();
          return {
            add: (items) =>
              Promise.try(() => {
                for (const item of items) fresh.set(this.#keyOf(item), this.#options.read(item));
              }),
            commit: (head) => {
              this.#objects = fresh;
              this.#resourceVersion = head.resourceVersion;
              events?.replaced(fresh);
              heard();
              changed();
            },
            abandon: () => {},
          };
        },
        change: ({ type, object }) => {
          const { key, resourceVersion, body } = toStoredObject(
            encoding,
            encoding.toListBody(object),
          );
          this.#resourceVersion = resourceVersion;
          heard();
          if (type === "DELETED") {
            if (!this.#objects.delete(key)) return;
            events?.applied(key, undefined);
            changed();
            return;
          }
          const [former, next] = [this.#objects.get(key), this.#options.read(body)];
          this.#objects.set(key, next);
          if (former !== undefined && this.#options.equals(former, next)) return;
          events?.applied(key, next);
          changed();
        },
        bookmark: (resourceVersion) => {
          this.#resourceVersion = resourceVersion;
          heard();
        },
        caughtUp: () => {},
        watching: () => {},
        refused: () => {},
        failed,
      },
    }).run(signal);
  }

  #keyOf(item: Uint8Array): string {
    return toStoredObject(this.#options.encoding, item).key;
  }
}
