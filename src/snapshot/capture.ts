import type { Clock } from "../kernel/clock.ts";
import { isSame } from "../kernel/is_same.ts";
import type { Archive } from "./archive.ts";
import type { Observation } from "./collect.ts";
import type { Network } from "./model.ts";
import { nextNetwork, type NodeKnowledge } from "./next_network.ts";
import { type NodeIdentity, parseNetwork, type Snapshot, SnapshotError } from "./snapshot_file.ts";

/** What is known before a snapshot is taken. */
export interface Former {
  snapshot: Snapshot | undefined;
  /** The snapshot's, or what it should be by now. */
  network: Network | undefined;
  /** Whether the snapshot is to be written again: its file is damaged. */
  isDamaged?: boolean;
}

/** What became of a network that was seen. */
export type Capture =
  | { state: "kept"; snapshot: Snapshot; written: boolean }
  /** It is as it should be, and the disk does not take it. */
  | { state: "unwritten"; network: Network; error: unknown }
  /** It is not as it should be; nothing was written. */
  | { state: "degraded"; why: string };

/** Keeps a network that was seen, if it is good and differs from the one kept before. */
export async function capture(
  seen: Observation,
  { snapshot: former, network: before, isDamaged = false }: Former,
  known: NodeKnowledge,
  { archive, clock, own, bootId, mayPodsWait = false }: {
    archive: Archive;
    clock: Clock;
    own: NodeIdentity;
    bootId: string;
    /** Pods alone are no reason to write now: what they had is in libcni's cache and the IPAM's records, too. */
    mayPodsWait?: boolean;
  },
): Promise<Capture> {
  const next = nextNetwork(before, seen, known, own.name);
  if (next.state === "keep") return { state: "degraded", why: next.why };
  const { network } = next;
  const seenLater = mayPodsWait && former ? { pods: former.network.pods } : {};
  if (!isDamaged && former && isSame({ ...network, ...seenLater }, former.network)) {
    return { state: "kept", snapshot: former, written: false };
  }
  const unreadable = whyUnreadable(network);
  if (unreadable !== undefined) return { state: "degraded", why: unreadable };
  const snapshot: Snapshot = {
    node: own,
    bootId,
    takenAt: new Date(clock.now()).toISOString(),
    generation: (former?.generation ?? 0) + 1,
    network,
  };
  try {
    await archive.save(snapshot);
  } catch (error) {
    return { state: "unwritten", network, error };
  }
  return { state: "kept", snapshot, written: true };
}

/** Why a network could be written, but never read again. */
function whyUnreadable(network: Network): string | undefined {
  try {
    parseNetwork(network);
    return undefined;
  } catch (error) {
    if (error instanceof SnapshotError) return `no snapshot can hold it: ${error.message}`;
    throw error;
  }
}
