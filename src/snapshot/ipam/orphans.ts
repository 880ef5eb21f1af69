import type { FlannelNetwork } from "./conflist.ts";
import { idleTest } from "./expiry.ts";
import { dropOldHolds } from "./holds.ts";
import { IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import type { Owner } from "./ip_store.ts";
import type { PodRecord } from "./pod_records.ts";
import { ScratchFiles } from "./scratch.ts";

/** How long what nobody asks for is kept. */
export interface OrphanLimits {
  readonly holdTtlMs: number;
  readonly recordTtlMs: number;
}

/** What was collected. */
export interface CollectedOrphans {
  /** Addresses freed: their container is known to nobody, or the file says nothing. */
  freed: number;
  /** Addresses of such containers, or of none, that are held for the pod that last had them. */
  held: number;
  /** Holds that were too old. */
  holds: number;
  records: number;
  /** Scratch files on which flannel CNI's DEL would have failed for ever. */
  scratch: number;
}

/**
 * Frees addresses that an unclean end left behind. **Only before the container runtime runs**: beside an
 * ADD in flight, whose container is in no cache yet, it would free an address in use.
 *
 * @param refuseBesideRuntime throws when a runtime runs. Asked under the lock: what one starts later waits for it
 */
export async function collectOrphans(
  ports: IpamPorts,
  { name, dataDir, scratchDir }: FlannelNetwork,
  { holdTtlMs, recordTtlMs }: OrphanLimits,
  refuseBesideRuntime: () => Promise<void>,
): Promise<CollectedOrphans> {
  const { fs, paths, clock } = ports;
  const network = new IpamNetwork(ports, name, dataDir);
  const { store, records } = network;
  const found: CollectedOrphans = { freed: 0, held: 0, holds: 0, records: 0, scratch: 0 };
  const lock = await lockIpam(ports);
  try {
    await refuseBesideRuntime();
    const isOrphan = await orphanTest(network);
    const claims = claimsOf(await records.all());
    const oldestMs = clock.now() - holdTtlMs;
    await store.edit(async () => {
      found.holds = await dropOldHolds(store, oldestMs);
      for (const { ip, owner } of await store.entries()) {
        if (!await isOrphan(owner)) continue;
        await store.free(ip);
        const claim = claims.get(ip);
        const held = claim !== undefined && await store.hold(ip, claim.pod);
        found[held ? "held" : "freed"]++;
      }
      // host-local does not sync what it writes: a power cut takes along the files of pods that had just
      // started, while their records are safe.
      if (!await fs.exists(store.dir)) return;
      for (const [ip, { pod, timeMs }] of claims) {
        if (timeMs >= oldestMs && await store.hold(ip, pod)) found.held++;
      }
    });
    const isIdle = await idleTest(store);
    found.records = await records.prune(
      (record) => record.timeMs < clock.now() - recordTtlMs && isIdle(record),
      "unfinished too",
    );
    found.scratch = await new ScratchFiles(fs, scratchDir ?? paths.scratch).removeBroken();
  } finally {
    lock[Symbol.dispose]();
  }
  return found;
}

/** Whether the container that an address belongs to is in nobody's books. */
async function orphanTest(
  network: IpamNetwork,
): Promise<(owner: Owner) => Promise<boolean>> {
  const cached = new Set((await network.results.all()).map(({ containerID }) => containerID));
  const recorded = new Map((await network.records.all()).map((rec) => [rec.containerID, rec]));
  return async (owner) => {
    if (owner.kind !== "container") return owner.kind === "broken";
    if (cached.has(owner.containerID)) return false;
    // Should a container live all the same, its address is not free.
    const record = recorded.get(owner.containerID);
    return record === undefined || await network.lives(record) !== true;
  };
}

/** Whose an address was last, where a record knows. */
function claimsOf(records: readonly PodRecord[]): Map<string, PodRecord> {
  const sorted = records.toSorted((a, b) => a.timeMs - b.timeMs);
  return new Map(sorted.flatMap((record) => record.ips.map((ip) => [ip, record] as const)));
}
