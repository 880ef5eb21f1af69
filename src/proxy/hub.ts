import type { RefusedError } from "../kube/answer.ts";
import type { ListHead } from "../kube/codec/list.ts";
import {
  type ItemType,
  itemTypeOf,
  objectKey,
  readObjectMeta,
  toListBody,
} from "../kube/object_meta.ts";
import type { CatchUp, Replacement } from "../kube/reflector.ts";
import { compareResourceVersions } from "../kube/resource_version.ts";
import { type ChangeType, formatFrame, type WatchEvent } from "../kube/watch_event.ts";
import { EventWindow, type WindowLimits } from "./event_window.ts";
import { type HubReplacement, replaceContent } from "./replacement.ts";
import { formatScope, type Scope } from "./scope.ts";
import type { ScopeRow } from "./store/overlay.ts";
import type { Snapshot } from "./store/snapshot.ts";
import type { StateStore } from "./store/state_store.ts";

/** What a list of the scope says beside its items and its version. */
export type HubHead = Pick<ListHead, "kind" | "apiVersion" | "extra" | "spellsContinue">;

/**
 * How far the content can be trusted. `stale`: loaded from disk, to be compared with the cloud.
 * `declared`: the same, served because the link is down. `current`: caught up with the cloud since this
 * process started.
 */
export type Freshness = "empty" | "stale" | "declared" | "current";

/** Told of what others must know too. */
export interface HubEvents {
  deleted(scope: Scope, key: string, resourceVersion: string): void;
  relisted(scope: Scope, differences: number): void;
  /** The store lost an object: the scope must be listed anew, now. */
  damaged(scope: Scope, key: string): void;
}

/** What a hub works with. */
export interface HubOptions {
  id: number;
  scope: Scope;
  store: StateStore;
  limits: WindowLimits;
  events: HubEvents;
  /** Wall clock, ms since the Unix epoch. */
  now: () => number;
  /** The scope's row, when the store has it. */
  row?: ScopeRow;
}

/** At most so many objects are listed anew at start instead of asking what changed: one round trip. */
const SMALL_SCOPE = 20;

/**
 * The state of one scope: objects in the store, recent events in memory, and everybody who watches. Fed
 * by a reflector or by lists that passed through.
 */
export class Hub {
  readonly scope: Scope;
  readonly #options: HubOptions;
  readonly #wakers = new Set<() => void>();
  #freshness: Freshness = "empty";
  #head: HubHead | undefined;
  /** Texts of the scope's row: they are written with every event. */
  readonly #key: string;
  #headText = "{}";
  #resourceVersion = "";
  /** Version of the newest change: who stands there or later has missed nothing, even after a restart. */
  #changeVersion = "";
  #window: EventWindow;
  #bookmark = "";
  #epoch = 0;
  #relistedFrom = "";
  #relists = 0;
  #replacements = 0;
  #listedAtMs: number | undefined;
  /** What the cloud last said no with, until it says yes. */
  refusal: RefusedError | undefined;

  constructor(options: HubOptions) {
    const { scope, limits, row } = options;
    this.#options = options;
    this.scope = scope;
    this.#key = formatScope(scope);
    this.#window = new EventWindow(limits, row?.changeRv ?? "");
    if (row !== undefined) {
      this.#freshness = "stale";
      this.#resourceVersion = row.rv;
      this.#changeVersion = row.changeRv;
      this.#head = JSON.parse(row.head) as HubHead;
      this.#headText = row.head;
    }
  }

  get freshness(): Freshness {
    return this.#freshness;
  }

  /** Everything up to here is known; empty before the first list. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** Newest version that the cloud vouched for without an event. */
  get bookmarkVersion(): string {
    return this.#bookmark;
  }

  get window(): EventWindow {
    return this.#window;
  }

  /** Counts how often the event history was thrown away: watchers of an older epoch must list again. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Where the last relist began: who is ahead of it may have seen what it does not know. */
  get relistedFrom(): string {
    return this.#relistedFrom;
  }

  /** How often a list replaced the content. */
  get relists(): number {
    return this.#relists;
  }

  /** Version of the newest change. */
  get changeVersion(): string {
    return this.#changeVersion;
  }

  get head(): HubHead | undefined {
    return this.#head;
  }

  /** Kind of the objects inside. */
  get itemType(): ItemType {
    const { kind = "List", apiVersion = "" } = this.#head ?? {};
    return itemTypeOf({ kind, apiVersion });
  }

  /** When a whole list last came, ms since the Unix epoch; undefined if before this process. */
  get listedAtMs(): number | undefined {
    return this.#listedAtMs;
  }

  /** A reflector begins: a list that passed by earlier is a start, but not the newest state. */
  beginReflecting(): void {
    if (this.#freshness === "current") this.#freshness = "stale";
  }

  /** Calls back on every change until the returned function is called. */
  subscribe(wake: () => void): () => void {
    this.#wakers.add(wake);
    return () => this.#wakers.delete(wake);
  }

  get watchers(): number {
    return this.#wakers.size;
  }

  // As the store's reader.

  /** The objects right now. */
  snapshot(range: { after?: string; before?: string } = {}): Snapshot {
    return this.#options.store.snapshot(this.#options.id, range);
  }

  /** One object as it lies in the list. */
  get(namespace: string, name: string): { body: Uint8Array; resourceVersion: string } | undefined {
    return this.#options.store.get(this.#options.id, objectKey(namespace, name));
  }

  /**
   * A body in the store does not match its checksum: nothing is served until the list was fetched anew,
   * for a list without it would be a false deletion.
   */
  damaged(key: string): void {
    const { store, id } = this.#options;
    store.remove(id, key);
    this.#freshness = "empty";
    this.#save();
    this.#options.events.damaged(this.scope, key);
    this.#notify();
  }

  /** Another scope saw that an object is gone: a list that only passed by must not bring it back. */
  foundDeleted(key: string, resourceVersion: string): void {
    const { store, id } = this.#options;
    const object = this.#freshness === "empty" ? undefined : store.get(id, key);
    if (object === undefined) return;
    if (compareResourceVersions(object.resourceVersion, resourceVersion) < 0) store.remove(id, key);
  }

  // As the reflector's sink.

  position(): string | undefined {
    return this.#freshness === "empty" ? undefined : this.#resourceVersion;
  }

  catchUp(): CatchUp {
    // Served to clients already: their watches are sent the difference when it comes, without a list.
    if (this.#freshness === "declared") return "watch";
    if (this.#freshness !== "stale") return "none";
    const { store, id } = this.#options;
    return store.isSmall(id, SMALL_SCOPE) ? "relist" : "watch";
  }

  /** Begins a new list. An earlier one that is still coming in is forgotten. */
  replace(): Replacement {
    this.#replacements++;
    return replaceContent(this.#content());
  }

  change(event: WatchEvent & { type: ChangeType }): void {
    const { name, namespace, uid, resourceVersion } = readObjectMeta(event.object);
    if (compareResourceVersions(resourceVersion, this.#resourceVersion) <= 0) return;
    const { store, id } = this.#options;
    const key = objectKey(namespace, name);
    if (event.type === "DELETED") store.remove(id, key);
    else store.put(id, { key, uid, resourceVersion, body: this.#toListBody(event.object) });
    this.#push(event.type, key, resourceVersion, false, formatFrame(event.type, event.object));
    this.#resourceVersion = resourceVersion;
    this.#changeVersion = resourceVersion;
    this.#save();
    this.#notify();
  }

  /** Metadata lists carry the kind in each item, as watch events do. */
  #toListBody(object: Uint8Array): Uint8Array {
    return this.scope.representation === "metadata" ? object : toListBody(object);
  }

  bookmark(resourceVersion: string): void {
    if (compareResourceVersions(resourceVersion, this.#resourceVersion) < 0) return;
    this.#resourceVersion = resourceVersion;
    this.#bookmark = resourceVersion;
    // Only a later start gains from it: not worth a disk write of its own.
    this.#save({ lazy: true });
    this.#notify();
  }

  caughtUp(): void {
    this.refusal = undefined;
    if (this.#freshness === "empty" || this.#freshness === "current") return;
    this.#freshness = "current";
    this.#notify();
  }

  refused(error: RefusedError): void {
    this.refusal = error;
    this.#notify();
  }

  /** The link was declared down: what is there is the best there is. */
  linkDown(): void {
    if (this.#freshness === "stale") this.#freshness = "declared";
    this.#notify();
  }

  #push(
    type: ChangeType,
    key: string,
    resourceVersion: string,
    foundGone: boolean,
    frame: Uint8Array,
  ): void {
    this.#window.push({ type, resourceVersion, foundGone, frame });
    if (type === "DELETED") this.#options.events.deleted(this.scope, key, resourceVersion);
  }

  /** The side of the hub that a new list changes. */
  #content(): HubReplacement {
    const { store, id, events, scope, limits, now } = this.#options;
    const replacement = this.#replacements;
    return {
      store,
      id,
      isLatest: () => replacement === this.#replacements,
      resourceVersion: this.#resourceVersion,
      begin: (head) => {
        const { kind, apiVersion, extra, spellsContinue } = head;
        this.#head = { kind, apiVersion, extra, spellsContinue };
        this.#headText = JSON.stringify(this.#head);
        this.#relistedFrom = this.#resourceVersion;
        this.#relists++;
        const known = this.#resourceVersion;
        const older = known !== "" && compareResourceVersions(head.resourceVersion, known) < 0;
        if (known === "" || older) {
          this.#window = new EventWindow(limits, head.resourceVersion);
          this.#epoch++;
        }
        return older ? "restart" : "difference";
      },
      push: (type, key, resourceVersion, foundGone, frame) =>
        this.#push(type, key, resourceVersion, foundGone, frame),
      end: (head, differences) => {
        this.#resourceVersion = head.resourceVersion;
        this.#bookmark = head.resourceVersion;
        if (differences > 0 || this.#changeVersion === "") {
          this.#changeVersion = head.resourceVersion;
        }
        this.#freshness = "current";
        this.#listedAtMs = now();
        this.refusal = undefined;
        this.#save();
        events.relisted(scope, differences);
        this.#notify();
      },
    };
  }

  #save(options: { lazy?: boolean } = {}): void {
    const { store, id } = this.#options;
    store.saveScope({
      id,
      key: this.#key,
      rv: this.#resourceVersion,
      changeRv: this.#changeVersion,
      complete: this.#freshness !== "empty",
      head: this.#headText,
    }, options);
  }

  #notify(): void {
    for (const wake of this.#wakers) wake();
  }
}
