import type { Clock } from "../../kernel/clock.ts";
import { RefusedError } from "../../kube/answer.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { Hub } from "./hub.ts";
import type { CloudLink } from "../link/cloud_link.ts";

/** How a hub can serve. */
export type Readiness =
  | { state: "ready" }
  /** The cloud said no to the reflector; the client deserves the cloud's own answer. */
  | { state: "refused" }
  /** Nothing was ever heard of this scope. */
  | { state: "unknown" };

/** Time that a client waits for a resourceVersion from the future. */
const FRESH_ENOUGH_MS = 3_000;

/** Waits until a hub can serve: `current` content, or with `known` any content whose version is known. */
export async function whenReady(
  hub: Hub,
  need: "current" | "known",
  link: CloudLink,
  signal: AbortSignal,
): Promise<Readiness> {
  for (;;) {
    const { freshness, refusal } = hub;
    if (refusal !== undefined && link.isOpen && (freshness === "empty" || isFinal(refusal))) {
      return { state: "refused" };
    }
    if (freshness === "current" || freshness === "declared") return { state: "ready" };
    if (freshness === "stale" && need === "known") return { state: "ready" };
    if (!link.isOpen || signal.aborted) return { state: "unknown" };
    await nextChange(hub, link, signal);
  }
}

/**
 * Whether it is a no that must not be masked by what was known before, such as a right that was taken away.
 * An overloaded or ailing server (429, 5xx) says nothing about that.
 */
function isFinal(refusal: Error): boolean {
  if (!(refusal instanceof RefusedError)) return false;
  const { status } = refusal.answer;
  return status >= 400 && status < 500 && status !== 429;
}

/** Waits until a hub knows `resourceVersion`; false if that takes too long, as in the watch cache. */
export async function whenReaches(
  hub: Hub,
  resourceVersion: string,
  { link, clock }: { link: CloudLink; clock: Clock },
  signal: AbortSignal,
): Promise<boolean> {
  const behind = () => compareResourceVersions(hub.resourceVersion, resourceVersion) < 0;
  if (!behind() || !link.isOpen) return !behind();
  const enough = new AbortController();
  const unsubscribe = hub.subscribe(() => behind() || enough.abort());
  await clock.sleep(FRESH_ENOUGH_MS, AbortSignal.any([enough.signal, signal]));
  unsubscribe();
  return !behind();
}

/** Resolves at the next change of the hub or of the link. */
function nextChange(hub: Hub, link: CloudLink, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      for (const stop of stops) stop();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const stops = [hub.subscribe(finish), link.subscribe(finish)];
    signal.addEventListener("abort", finish, { once: true });
  });
}
