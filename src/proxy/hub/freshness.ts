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
