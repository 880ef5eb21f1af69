import type { ListHead } from "../../kube/codec/list.ts";
import { compareResourceVersions, newerResourceVersion } from "../../kube/resource_version.ts";
import { EventWindow } from "./event_window.ts";
import { Trust } from "./freshness.ts";
import type { HubHead, HubOptions } from "./hub_options.ts";
import type { ScopeContent } from "./scope_content.ts";

/** What a hub knows beside its objects, and what of that is saved with them. */
export class HubState {
  readonly #content: ScopeContent;
  readonly window: EventWindow;
  readonly trust: Trust;
  #head: HubHead | undefined;
  /** The head as JSON: it is written with every event. */
  #headText = "{}";
  /** Everything up to here is known; empty before the first list. */
  resourceVersion = "";
  /** Version of the newest change: who stands there or later has missed nothing, even after a restart. */
  changeVersion = "";

  constructor({ content, limits, row, forgottenTo }: HubOptions) {
    this.#content = content;
    this.window = new EventWindow(limits, row?.changeRv ?? "", forgottenTo);
    this.trust = new Trust(row === undefined ? "empty" : "stale");
    if (row === undefined) return;
    this.resourceVersion = row.rv;
    this.changeVersion = row.changeRv;
    this.#head = JSON.parse(row.head) as HubHead;
    this.#headText = row.head;
  }

  get head(): HubHead | undefined {
    return this.#head;
  }

  /**
   * How a version compares with what is known. Older while nothing is: what a watch that is being ended still tells
   * then has no list to change.
   */
  compare(resourceVersion: string): number {
    return this.trust.isEmpty ? -1 : compareResourceVersions(resourceVersion, this.resourceVersion);
  }

  /** Nothing is known. @param forgottenTo see {@linkcode EventWindow.restart} */
  empty(forgottenTo: string): void {
    this.trust.emptied();
    this.resourceVersion = this.changeVersion = "";
    this.window.restart("", forgottenTo);
    this.save();
  }

  /** A whole list is there; tells whether watchers are sent the difference or must begin anew. */
  beginList({ kind, apiVersion, extra, spellsContinue, resourceVersion }: ListHead):
    | "difference"
    | "restart" {
    this.#head = { kind, apiVersion, extra, spellsContinue };
    this.#headText = JSON.stringify(this.#head);
    const known = this.resourceVersion;
    const older = known !== "" &&
      (this.trust.isDoubted || compareResourceVersions(resourceVersion, known) < 0);
    if (known === "" || older) this.window.restart(resourceVersion, known);
    else this.window.noteRelist(known, resourceVersion);
    return older ? "restart" : "difference";
  }

  /** The list has become the content. @param differences how many objects it changed */
  endList(resourceVersion: string, differences: number): void {
    this.resourceVersion = resourceVersion;
    this.window.bookmark = resourceVersion;
    if (differences > 0 || this.changeVersion === "") this.changeVersion = resourceVersion;
    this.trust.listed();
    this.save();
  }

  save(options: { lazy?: boolean } = {}): void {
    this.#content.save({
      rv: this.resourceVersion,
      changeRv: newerResourceVersion(this.changeVersion, this.window.relistedTo),
      complete: !this.trust.isEmpty,
      head: this.#headText,
    }, options);
  }
}
