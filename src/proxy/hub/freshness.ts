import type { CatchUp } from "../../kube/reflector.ts";
import type { ScopeContent } from "./scope_content.ts";

/**
 * How far the content can be trusted. `stale`: loaded from disk, to be compared with the cloud.
 * `declared`: the same, served because the link is down. `current`: caught up with the cloud since this
 * process started.
 */
export type Freshness = "empty" | "stale" | "declared" | "current";

/** At most so many objects are listed anew at start instead of asking what changed: one round trip. */
const SMALL_SCOPE = 20;

/**
 * What a reflector must do before content of that freshness is current.
 *
 * @param resumed whether a client goes on from a version: a list would fold the changes since into one
 */
export function catchUpOf(
  freshness: Freshness,
  content: Pick<ScopeContent, "isSmall">,
  resumed: boolean,
): CatchUp {
  switch (freshness) {
    case "empty":
    case "current":
      return "none";
    // Served to clients already: their watches are sent the difference when it comes, without a list.
    case "declared":
      return "watch";
    case "stale":
      return !resumed && content.isSmall(SMALL_SCOPE) ? "relist" : "watch";
    default:
      return freshness satisfies never;
  }
}

/** How far a hub's content can be trusted, as it goes up and down. */
export class Trust {
  #freshness: Freshness;
  #resumed = false;
  /** The cloud's history is no longer the one that the content came from. */
  #doubted = false;

  constructor(freshness: Freshness) {
    this.#freshness = freshness;
  }

  get freshness(): Freshness {
    return this.#freshness;
  }

  get isEmpty(): boolean {
    return this.#freshness === "empty";
  }

  get isDoubted(): boolean {
    return this.#doubted;
  }

  /** A whole list came. */
  listed(): void {
    this.#freshness = "current";
    this.#doubted = false;
  }

  emptied(): void {
    this.#freshness = "empty";
  }

  /** What is there must be listed anew. */
  doubt(): void {
    this.#doubted = true;
    if (!this.isEmpty) this.#freshness = "stale";
  }

  /** See {@linkcode catchUpOf}. */
  begin(resumed: boolean): void {
    this.#resumed = resumed;
    if (!this.isEmpty) this.#freshness = "stale";
  }

  catchUp(content: Pick<ScopeContent, "isSmall">): CatchUp {
    if (this.#doubted && !this.isEmpty) return "relist";
    return catchUpOf(this.#freshness, content, this.#resumed);
  }

  /** @returns whether that is new */
  caughtUp(): boolean {
    if (this.isEmpty || this.#freshness === "current") return false;
    this.#freshness = "current";
    return true;
  }

  /** It is the best there is. @param even when it was current */
  declare(even: "current" | "stale"): void {
    if (this.#freshness === "stale" || (even === "current" && !this.isEmpty)) {
      this.#freshness = "declared";
    }
  }
}
