import type { FlannelNetwork } from "./conflist.ts";
import { type ClearedHolds, dropOldHolds } from "./holds.ts";
import type { IpStore } from "./ip_store.ts";
import { IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import { isSamePod } from "./pod_key.ts";
import type { PodRecord } from "./pod_records.ts";

/** How long, and how much of it, what nobody asks for is kept. */
export interface ExpiryLimits {
  readonly holdTtlMs: number;
  readonly recordTtlMs: number;
  /** Records of pods that have no address, nor one that is held for them: so many at most, whatever their age. */
  readonly idleRecords: number;
  /** Records removed in one call: pods that start or end wait for it. */
  readonly atOnce: number;
}

/** What was dropped. `more` when there is something left that should go as well. */
export interface Expired extends ClearedHolds {
  more: boolean;
}

/**
 * Drops holds and records that are too old at `nowMs` (ms since the Unix epoch), or too many. Also beside a running container runtime: the address that
 * a container has, or that is held for its pod, keeps the record.
 */
export async function dropExpired(
  ports: IpamPorts,
  { name, dataDir }: FlannelNetwork,
  { holdTtlMs, recordTtlMs, idleRecords, atOnce }: ExpiryLimits,
  nowMs: number,
): Promise<Expired> {
  const { store, records } = new IpamNetwork(ports, name, dataDir);
  // Before the lock, as there may be thousands; what has changed meanwhile is left alone.
  const oldestFirst = (await records.all()).sort((a, b) => a.timeMs - b.timeMs);
  const lock = await lockIpam(ports);
  try {
    const holds = await store.edit(() => dropOldHolds(store, nowMs - holdTtlMs));
    const idle = oldestFirst.filter(await idleTest(store));
    const stale = idle.filter(({ timeMs }, i) =>
      timeMs < nowMs - recordTtlMs || idle.length - i > idleRecords
    );
    const dropped = await records.drop(stale.slice(0, atOnce));
    return { holds, records: dropped, more: stale.length > atOnce };
  } finally {
    lock[Symbol.dispose]();
  }
}

/** Whether what a record says is past: the addresses are nobody's, or somebody else's, be it with a record, too. */
export async function idleTest(store: IpStore): Promise<(record: PodRecord) => boolean> {
  const owners = new Map((await store.entries()).map(({ ip, owner }) => [ip, owner]));
  return ({ pod, containerID, ips }) =>
    !ips.some((ip) => {
      const owner = owners.get(ip);
      switch (owner?.kind) {
        case undefined:
          return false;
        case "container":
          return owner.containerID === containerID;
        case "hold":
          return isSamePod(pod, owner.pod);
        case "broken":
        case "unknown":
          // It may be this pod's.
          return true;
        default:
          return owner satisfies never;
      }
    });
}
