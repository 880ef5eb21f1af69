import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { StateStore } from "../store/state_store.ts";
import type { Scopes } from "./scopes.ts";

/** What happens to the scopes when the cloud's history is no longer the one that they came from. */

/**
 * The versions that tell how far the cluster had come. Only of core objects: Events may have a server of
 * their own, aggregated APIs have, and each counts for itself.
 */
export function knownVersions(scopes: Scopes): string[] {
  return scopes.hubs()
    .map(({ hub }) => hub)
    .filter(({ scope, freshness }) =>
      scope.group === "" && scope.resource !== "events" && freshness !== "empty"
    )
    .map(({ resourceVersion }) => resourceVersion);
}

/** The cloud is another cluster, and the store is empty by now: what was mirrored is listed there. */
export function startOver(scopes: Scopes, forgottenTo: string): void {
  for (const { hub, reflected } of scopes.hubs()) {
    hub.startOver(forgottenTo);
    if (reflected) scopes.relist(hub.scope);
  }
}

/** The state file was replaced: what could not be carried over is listed anew. */
export function dropLost(scopes: Scopes, store: Pick<StateStore, "scopes">): void {
  const held = new Set(store.scopes().map(({ id }) => id));
  for (const { hub } of scopes.hubs()) {
    if (hub.freshness !== "empty" && !held.has(hub.content.id)) hub.damaged("");
  }
}

/**
 * The cluster went back to an older state: what is mirrored is listed anew, and what nobody lists anew
 * is forgotten if the cluster does not know it any more.
 *
 * @param resourceVersion where the cluster is now
 */
export function goBack(scopes: Scopes, resourceVersion: string, forgottenTo: string): void {
  for (const { hub, reflected } of scopes.hubs()) {
    if (reflected) {
      hub.historyLost(forgottenTo);
      scopes.relist(hub.scope);
    } else if (compareResourceVersions(hub.resourceVersion, resourceVersion) > 0) {
      void scopes.forget(hub);
    }
  }
}
