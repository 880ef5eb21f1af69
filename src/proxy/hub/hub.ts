import { type Encoding, toStoredObject } from "../../kube/codec/encoding.ts";
import { ENCODINGS } from "../../kube/codec/encodings.ts";
import { type ItemType, itemTypeOf, type StoredObject } from "../../kube/object_meta.ts";
import type { CatchUp, Replacement } from "../../kube/reflector.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { ChangeType, WatchEvent } from "../../kube/watch_event.ts";
import { DamagedError } from "../store/rows.ts";
import type { EventWindow, WindowEvent } from "./event_window.ts";
import type { Freshness } from "./freshness.ts";
import type { HubHead, HubOptions } from "./hub_options.ts";
import { HubState } from "./hub_state.ts";
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
  readonly #state: HubState;
  readonly #options: HubOptions;
  readonly #wakers = new Set<() => void>();
  #replacements = 0;
  /** When a whole list last came, ms since the Unix epoch; undefined if before this process. */
  listedAtMs: number | undefined;
  /** What the cloud last said no with, until it says yes. */
  refusal: Error | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    this.scope = options.scope;
    this.encoding = ENCODINGS[options.scope.encoding];
    this.content = options.content;
    this.#state = new HubState(options);
  }

  /** Its recent events, and every watcher's buffer. */
  get window(): EventWindow {
    return this.#state.window;
  }

  get freshness(): Freshness {
    return this.#state.trust.freshness;
  }

  /** Everything up to here is known; empty before the first list. */
  get resourceVersion(): string {
    return this.#state.resourceVersion;
  }

  get changeVersion(): string {
    return this.#state.changeVersion;
  }

  get head(): HubHead | undefined {
    return this.#state.head;
  }

  /** Kind of the objects inside. */
  get itemType(): ItemType {
    const { kind = "List", apiVersion = "" } = this.head ?? {};
    return itemTypeOf({ kind, apiVersion });
  }

  /** A reflector begins: a list that passed by earlier is a start, but not the newest state. */
  beginReflecting(resumed: boolean): void {
    this.#state.trust.begin(resumed);
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
    if (key !== "") this.content.remove(key);
    this.#empty();
    this.#options.events.damaged(this.scope, key);
    this.#notify();
  }

  /** Nobody may read it any more. */
  purge(): void {
    this.startOver();
    this.content.clear();
  }

  #empty(forgottenTo = ""): void {
    this.#replacements++; // a list on its way took what is gone for unchanged
    this.#state.empty(forgottenTo);
  }

  /** Nothing is known. @param forgottenTo newest version of a cloud that is another one now */
  startOver(forgottenTo = ""): void {
    this.#empty(forgottenTo);
    this.#notify();
  }

  /** The cloud went back to an older state: what is here must be listed anew. @param forgottenTo as above */
  historyLost(forgottenTo: string): void {
    this.#state.trust.doubt();
    this.window.restart(this.resourceVersion, forgottenTo);
    this.#notify();
  }

  /** It is forgotten: whoever still holds it finds it empty, and writes to nowhere. */
  retire(): void {
    this.content.retire();
    this.#empty();
  }

  /** Whether somebody waits for what comes. */
  get isWatched(): boolean {
    return this.#wakers.size > 0;
  }

  /** One object as it lies in a list; undefined also when it is damaged. */
  object(key: string): StoredObject | undefined {
    if (this.#state.trust.isEmpty) return undefined;
    try {
      return this.content.get(key);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      this.damaged(error.key);
      return undefined;
    }
  }

  /** Another scope saw that an object is gone: a list that only passed by must not bring it back. */
  foundDeleted(key: string, resourceVersion: string): void {
    const object = this.object(key);
    if (object === undefined) return;
    if (compareResourceVersions(object.resourceVersion, resourceVersion) >= 0) return;
    this.content.remove(key);
  }

  // As the reflector's sink.

  position(): string | undefined {
    return this.#state.trust.isEmpty ? undefined : this.resourceVersion;
  }

  catchUp(): CatchUp {
    return this.#state.trust.catchUp(this.content);
  }

  /** Begins a new list. An earlier one that is still coming in is forgotten. */
  replace(): Replacement {
    this.#replacements++;
    try {
      return replaceContent(this.#content());
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      this.damaged(error.key);
      return replaceContent(this.#content());
    }
  }

  change(event: WatchEvent & { type: ChangeType }): void {
    const { key, uid, resourceVersion } = toStoredObject(this.encoding, event.object);
    if (this.#state.compare(resourceVersion) <= 0) return;
    const object = { key, uid, resourceVersion, body: this.encoding.toListBody(event.object) };
    const lost = () => this.window.restart(this.resourceVersion);
    const previous = this.content.change(event.type, object, lost);
    const frame = this.encoding.formatFrame(event.type, event.object);
    this.#push({ type: event.type, key, resourceVersion, frame, previous });
    this.#state.resourceVersion = this.#state.changeVersion = resourceVersion;
    this.#state.save();
    this.#notify();
  }

  bookmark(resourceVersion: string): void {
    if (this.#state.compare(resourceVersion) < 0) return;
    this.#state.resourceVersion = resourceVersion;
    this.window.bookmark = resourceVersion;
    // Only a later start gains from it: not worth a disk write of its own.
    this.#state.save({ lazy: true });
    this.#notify();
  }

  watching(): void {
    this.refusal = undefined;
    this.#notify();
  }

  caughtUp(): void {
    if (this.#state.trust.caughtUp()) this.#notify();
  }

  refused(error: Error): void {
    this.refusal = error;
    this.#notify();
  }

  /** Something answers that is not the cloud, or not to us: what is there is no longer kept current. */
  cutOff(): void {
    this.#state.trust.declare("current");
    this.#notify();
  }

  /** The link was declared down: what is there is the best there is. */
  linkDown(): void {
    this.#state.trust.declare("stale");
    this.#notify();
  }

  #push(event: WindowEvent): void {
    const { type, key, resourceVersion } = event;
    this.window.push(event);
    if (type === "DELETED") this.#options.events.deleted(this.scope, key, resourceVersion);
  }

  /** The side of the hub that a new list changes. */
  #content(): HubReplacement {
    const { events, now } = this.#options;
    const replacement = this.#replacements;
    return {
      content: this.content,
      encoding: this.encoding,
      isLatest: () => replacement === this.#replacements,
      resourceVersion: this.resourceVersion,
      begin: (head) => this.#state.beginList(head),
      push: (event) => this.#push(event),
      restart: (version) => this.window.restart(version),
      end: (head, differences) => {
        this.#state.endList(head.resourceVersion, differences);
        this.listedAtMs = now();
        events.relisted(this.scope, differences);
        this.#notify();
      },
    };
  }

  #notify(): void {
    for (const wake of this.#wakers) wake();
  }
}
