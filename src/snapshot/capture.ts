import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../kernel/clock.ts";
import type { Archive } from "./archive.ts";
import type { Observation } from "./collect.ts";
import type { Network } from "./model.ts";
import { nextNetwork, type NodeKnowledge } from "./next_network.ts";
import type { NodeIdentity, Snapshot } from "./snapshot_file.ts";

/** What is known before a snapshot is taken. */
export interface Former {
  snapshot: Snapshot | undefined;
  /** The snapshot's, or what it should be by now. */
  network: Network | undefined;
}

/** What became of a network that was seen. */
export type Capture =
  | { state: "kept"; snapshot: Snapshot; written: boolean }
  /** It is not as it should be; nothing was written. */
  | { state: "degraded"; why: string };

/** Keeps a network that was seen, if it is good and differs from the one kept before. */
export async function capture(
  seen: Observation,
  { snapshot: former, network: before }: Former,
  known: NodeKnowledge,
  { archive, clock, own, bootId }: {
    archive: Archive;
    clock: Clock;
    own: NodeIdentity;
    bootId: string;
  },
): Promise<Capture> {
  const next = nextNetwork(before, seen, known, own.name);
  if (next.state === "keep") return { state: "degraded", why: next.why };
  const { network } = next;
  if (former !== undefined && isSame(network, former.network)) {
    return { state: "kept", snapshot: former, written: false };
  }
  const snapshot: Snapshot = {
    node: own,
    bootId,
    takenAt: new Date(clock.now()).toISOString(),
    generation: (former?.generation ?? 0) + 1,
    network,
  };
  await archive.save(snapshot);
  return { state: "kept", snapshot, written: true };
}

/** Whether both would be the same file, but for the order of its keys. */
function isSame(a: Network, b: Network): boolean {
  const plain = (network: Network): unknown => JSON.parse(JSON.stringify(network));
  return isDeepStrictEqual(plain(a), plain(b));
}
