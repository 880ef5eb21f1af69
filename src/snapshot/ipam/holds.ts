import { IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import type { FlannelNetwork } from "./conflist.ts";
import type { IpStore } from "./ip_store.ts";
import { formatPodKey } from "./pod_key.ts";

/** What was dropped. */
export interface ClearedHolds {
  holds: number;
  records: number;
}

/** Frees addresses that are held since before `oldestMs`; says how many. Only within {@linkcode IpStore.edit}. */
export async function dropOldHolds(store: IpStore, oldestMs: number): Promise<number> {
  const old = (await store.holds()).filter(({ mtimeMs }) => mtimeMs < oldestMs);
  for (const { ip } of old) await store.free(ip);
  return old.length;
}

/**
 * Drops holds and records of pods that are gone.
 *
 * @param pods `namespace/name` of every pod that the API has on this node, in a fresh answer
 * @param askedAtMs wall clock before that was asked: what is younger may be of a pod that the answer did not know
 */
export async function clearHolds(
  ports: IpamPorts,
  { name, dataDir }: FlannelNetwork,
  pods: ReadonlySet<string>,
  askedAtMs: number,
): Promise<ClearedHolds> {
  const { store, records } = new IpamNetwork(ports, name, dataDir);
  const cleared: ClearedHolds = { holds: 0, records: 0 };
  const lock = await lockIpam(ports);
  try {
    await store.edit(async () => {
      for (const { ip, pod, mtimeMs } of await store.holds()) {
        if (pods.has(formatPodKey(pod)) || mtimeMs >= askedAtMs) continue;
        await store.free(ip);
        cleared.holds++;
      }
    });
    cleared.records = await records.prune(({ pod, timeMs }) =>
      !pods.has(formatPodKey(pod)) && timeMs < askedAtMs
    );
  } finally {
    lock[Symbol.dispose]();
  }
  return cleared;
}
