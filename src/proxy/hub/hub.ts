import { type Encoding, toStoredObject } from "../../kube/codec/encoding.ts";
import { ENCODINGS } from "../../kube/codec/encodings.ts";
import { type ItemType, itemTypeOf } from "../../kube/object_meta.ts";
import type { CatchUp, Replacement } from "../../kube/reflector.ts";
import { compareResourceVersions, newerResourceVersion } from "../../kube/resource_version.ts";
import type { ChangeType, WatchEvent } from "../../kube/watch_event.ts";
import { EventWindow, type WindowEvent } from "./event_window.ts";
import { catchUpOf, type Freshness } from "./freshness.ts";
import type { HubHead, HubOptions } from "./hub_options.ts";
import { type HubReplacement, replaceContent } from "./replacement.ts";
import type { Scope } from "./scope.ts";
import type { ScopeContent } from "./scope_content.ts";

/**
 * The state of one scope: objects in the store, recent events in memory, and everybody who watches. Fed
 * by a reflector or by lists that passed through.
 */
export class Hub {
  readonly scope: Scope;
  /** How its objects and events are written. */
  readonly encoding: Encoding;
  /** Its objects in the store. */
  readonly content: ScopeContent;
  /** Its recent events, and every watcher's buffer. */
  readonly window: EventWindow;
  readonly #options: HubOptions;
  readonly #wakers = new Set<() => void>();
  #freshness: Freshness = "empty";
  #head: HubHead | undefined;
  /** The head as JSON: it is written with every event. */
  #headText = "{}";
  #resourceVersion = "";
  /** Version of the newest change: who stands there or later has missed nothing, even after a restart. */
  #changeVersion = "";
  #replacements = 0;
  #resumed = false;
  /** When a whole list last came, ms since the Unix epoch; undefined if before this process. */
  listedAtMs: number | undefined;
  /** What the cloud last said no with, until it says yes. */
  refusal: Error | undefined;

  constructor(options: HubOptions) {
    const { scope, content, limits, row } = options;
    this.#options = options;
    this.scope = scope;
    this.encoding = ENCODINGS[scope.encoding];
    this.content = content;
    this.window = new EventWindow(limits, row?.changeRv ?? "");
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

  /** A reflector begins: a list that passed by earlier is a start, but not the newest state. */
  beginReflecting(resumed: boolean): void {
    this.#resumed = resumed;
    if (this.#freshness !== "empty") this.#freshness = "stale";
  }

  /** Calls back on every change until the returned function is called. */
  subscribe(wake: () => void): () => void {
    this.#wakers.add(wake);
    return () => this.#wakers.delete(wake);
  }

  /**
   * A body in the store does not match its checksum: nothing is served until the list was fetched anew,
   * for a list without it would be a false deletion. Watchers begin anew: should the object be gone by then,
   * nothing could tell them.
   */
  damaged(key: string): void {
    this.content.remove(key);
    this.#empty();
    this.#options.events.damaged(this.scope, key);
    this.#notify();
  }

  /** Nobody may read it any more. */
  purge(): void {
    this.content.clear();
    this.#empty();
    this.#notify();
  }

  #empty(): void {
    this.#freshness = "empty";
    this.#resourceVersion = this.#changeVersion = "";
    this.window.restart("");
    this.#replacements++; // a list on its way took what is gone for unchanged
    this.#save();
  }

  /** Another scope saw that an object is gone: a list that only passed by must not bring it back. */
  foundDeleted(key: string, resourceVersion: string): void {
    const object = this.#freshness === "empty" ? undefined : this.content.get(key);
    if (object === undefined) return;
    if (compareResourceVersions(object.resourceVersion, resourceVersion) < 0) {
      this.content.remove(key);
    }
  }

  // As the reflector's sink.

  position(): string | undefined {
    return this.#freshness === "empty" ? undefined : this.#resourceVersion;
  }

  catchUp(): CatchUp {
    return catchUpOf(this.#freshness, this.content, this.#resumed);
  }

  /** Begins a new list. An earlier one that is still coming in is forgotten. */
  replace(): Replacement {
    this.#replacements++;
    return replaceContent(this.#content());
  }

  change(event: WatchEvent & { type: ChangeType }): void {
    const { key, uid, resourceVersion } = toStoredObject(this.encoding, event.object);
    if (compareResourceVersions(resourceVersion, this.#resourceVersion) <= 0) return;
    const { encoding, content } = this;
    if (event.type === "DELETED") content.remove(key);
    else content.put({ key, uid, resourceVersion, body: encoding.toListBody(event.object) });
    const frame = encoding.formatFrame(event.type, event.object);
    this.#push({ type: event.type, resourceVersion, frame }, key);
    this.#resourceVersion = this.#changeVersion = resourceVersion;
    this.#save();
    this.#notify();
  }

  bookmark(resourceVersion: string): void {
    if (compareResourceVersions(resourceVersion, this.#resourceVersion) < 0) return;
    this.#resourceVersion = resourceVersion;
    this.window.bookmark = resourceVersion;
    // Only a later start gains from it: not worth a disk write of its own.
    this.#save({ lazy: true });
    this.#notify();
  }

  watching(): void {
    this.refusal = undefined;
    this.#notify();
  }

  caughtUp(): void {
    if (this.#freshness === "empty" || this.#freshness === "current") return;
    this.#freshness = "current";
    this.#notify();
  }

  refused(error: Error): void {
    this.refusal = error;
    this.#notify();
  }

  /** Something answers that is not the cloud, or not to us: what is there is no longer kept current. */
  cutOff(): void {
    if (this.#freshness !== "empty") this.#freshness = "declared";
    this.#notify();
  }

  /** The link was declared down: what is there is the best there is. */
  linkDown(): void {
    if (this.#freshness === "stale") this.#freshness = "declared";
    this.#notify();
  }

  #push(event: WindowEvent, key: string): void {
    this.window.push(event);
    if (event.type !== "DELETED") return;
    this.#options.events.deleted(this.scope, key, event.resourceVersion);
  }

  /** The side of the hub that a new list changes. */
  #content(): HubReplacement {
    const { events, now } = this.#options;
    const replacement = this.#replacements;
    return {
      content: this.content,
      encoding: this.encoding,
      isLatest: () => replacement === this.#replacements,
      resourceVersion: this.#resourceVersion,
      begin: (head) => {
        const { kind, apiVersion, extra, spellsContinue } = head;
        this.#head = { kind, apiVersion, extra, spellsContinue };
        this.#headText = JSON.stringify(this.#head);
        const known = this.#resourceVersion;
        const older = known !== "" && compareResourceVersions(head.resourceVersion, known) < 0;
        if (known === "" || older) this.window.restart(head.resourceVersion, known);
        else this.window.noteRelist(known, head.resourceVersion);
        return older ? "restart" : "difference";
      },
      push: (event, key) => this.#push(event, key),
      restart: (version) => this.window.restart(version),
      end: (head, differences) => {
        this.#resourceVersion = head.resourceVersion;
        this.window.bookmark = head.resourceVersion;
        if (differences > 0 || this.#changeVersion === "") {
          this.#changeVersion = head.resourceVersion;
        }
        this.#freshness = "current";
        this.listedAtMs = now();
        this.#save();
        events.relisted(this.scope, differences);
        this.#notify();
      },
    };
  }

  #save(options: { lazy?: boolean } = {}): void {
    this.content.save({
      rv: this.#resourceVersion,
      changeRv: newerResourceVersion(this.#changeVersion, this.window.relistedTo),
      complete: this.#freshness !== "empty",
      head: this.#headText,
    }, options);
  }

  #notify(): void {
    for (const wake of this.#wakers) wake();
  }
}
