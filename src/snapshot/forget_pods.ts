import type { Clock } from "../kernel/clock.ts";
import { type ClusterView, isFresh } from "./cluster_view.ts";
import type { StickyIps } from "./sticky_ips.ts";

/** What the cluster said may be as old as the outage when the link comes back: it is not relied on before, ms. */
const SETTLED_MS = 60_000;

/**
 * Forgets pods that the cluster has no more, where its word can be relied on.
 *
 * @param pods `namespace/name` of this node's pods
 * @param upSinceMs monotonic ms; undefined while the link is not up
 */
export async function forgetPods(
  sticky: Pick<StickyIps, "forget">,
  pods: Pick<ClusterView<string>, "objects" | "heardAtMs"> | undefined,
  upSinceMs: number | undefined,
  clock: Clock,
): Promise<void> {
  const nowMs = clock.monotonic();
  if (pods?.objects === undefined || !isFresh(pods, upSinceMs, nowMs)) return;
  if (nowMs - (upSinceMs ?? Infinity) < SETTLED_MS) return;
  await sticky.forget(new Set(pods.objects), clock.now() - SETTLED_MS);
}
