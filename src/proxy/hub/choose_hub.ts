import { RefusedError } from "../../kube/answer.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import type { Hub } from "./hub.ts";
import type { Readiness } from "./readiness.ts";
import type { Scope } from "./scope.ts";
import type { Scopes } from "./scopes.ts";

/** What a client needs of a hub. */
export interface HubNeed {
  need: "current" | "known";
  /** Whether a watch goes on from a version. */
  resumed?: boolean;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
}

/**
 * Of one collection in the encodings that a client takes, best first: those that the cloud may serve. It has no
 * protobuf of custom resources, which their hubs remember.
 */
export function servable(scopes: Scopes, candidates: readonly Scope[]): Scope[] {
  const served = candidates.filter((scope) => !isNotAcceptable(scopes.known(scope)));
  // The cloud shall say no in its own words.
  return served.length > 0 ? served : candidates.slice(0, 1);
}

/** Whether anything is held of a scope. */
export function isHeld(scopes: Scopes, scope: Scope): boolean {
  return (scopes.known(scope)?.freshness ?? "empty") !== "empty";
}

/**
 * The hub of the first of several {@linkcode servable} scopes that the cloud serves, mirrored from now on; while
 * it can't be asked, of the newest that is held.
 */
export async function chooseHub(
  scopes: Scopes,
  link: CloudLink,
  candidates: readonly Scope[],
  { need, resumed, signal }: HubNeed,
): Promise<{ hub: Hub; state: Readiness["state"] }> {
  for (const scope of link.isOpen ? candidates : []) {
    const hub = scopes.reflect(scope, { resumed });
    const { state } = await scopes.ready(hub, need, signal);
    if (state === "unknown") break;
    if (state === "ready" || !isNotAcceptable(hub) || scope === candidates.at(-1)) {
      return { hub, state };
    }
  }
  const held = candidates.filter((scope) => isHeld(scopes, scope)).map((scope) =>
    scopes.hub(scope)
  );
  const hub = scopes.reflect(newest(held, (hub) => hub)?.scope ?? candidates[0]!, { resumed });
  const { state } = await scopes.ready(hub, need, signal);
  return { hub, state };
}

/** The first unless a later one is known to be newer. */
export function newest<T>(choices: readonly T[], hubOf: (choice: T) => Hub): T | undefined {
  return choices.reduce<T | undefined>((best, choice) => {
    if (best === undefined) return choice;
    const order = compareResourceVersions(hubOf(choice).changeVersion, hubOf(best).resourceVersion);
    return order > 0 ? choice : best;
  }, undefined);
}

function isNotAcceptable(hub: Hub | undefined): boolean {
  return hub?.refusal instanceof RefusedError && hub.refusal.answer.status === 406;
}
