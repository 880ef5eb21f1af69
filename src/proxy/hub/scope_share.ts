import type { Scope } from "./scope.ts";
import type { Scopes } from "./scopes.ts";

/** Collections that are held for one caller that is no identity: a controller on a node has some ten. */
export const MAX_SCOPES_PER_BEARER = 128;

/**
 * Whether a scope is held, or may be from now on. Each costs a watch upstream and room in the store, and whoever
 * has a token of the cluster can make up any number of selectors: beyond their share, what they left alone for
 * longest is forgotten. While somebody watches all of it, what is new is passed on and not held.
 */
export function admits(scopes: Pick<Scopes, "known" | "hubs" | "forget">, scope: Scope): boolean {
  if (scope.caller.startsWith("identity:") || scopes.known(scope) !== undefined) return true;
  const own = scopes.hubs().filter(({ hub }) => hub.scope.caller === scope.caller);
  if (own.length < MAX_SCOPES_PER_BEARER) return true;
  const [idle] = own.filter(({ hub }) => !hub.isWatched).sort((a, b) => a.askedMs - b.askedMs);
  if (idle === undefined) return false;
  void scopes.forget(idle.hub);
  return true;
}
