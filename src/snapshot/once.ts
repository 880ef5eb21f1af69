import { errorMessage } from "../kernel/errors.ts";
import { Archive, type Loaded } from "./archive.ts";
import { type Capture, capture } from "./capture.ts";
import { collect } from "./collect.ts";
import type { SnapshotConfig } from "./config.ts";
import type { CollectedOrphans } from "./ipam/orphans.ts";
import { checkIproute, readKernelState } from "./kernel_state.ts";
import { withLive } from "./live_network.ts";
import { nodeNameOf, readBootId, readNodeIdentity } from "./node_identity.ts";
import {
  describeRestore,
  restoreNetwork,
  type RestorePorts,
  type RestoreReport,
} from "./restore.ts";
import { type Snapshot, SnapshotError } from "./snapshot_file.ts";
import { StickyIps, type StickyIpsPorts } from "./sticky_ips.ts";

/** What one call of the command line works with. */
export interface OncePorts extends RestorePorts, StickyIpsPorts {
  stateDir: string;
  hostname: () => string;
}

/** How `snapshot restore` ended. */
export type RestoreOutcome =
  /** A node that had no network yet. */
  | { state: "none"; orphans: CollectedOrphans | { skipped: string } }
  | {
    state: "restored";
    snapshot: Snapshot;
    /** Why a newer one was passed over. */
    passedOver: string[];
    report: RestoreReport;
    orphans: CollectedOrphans | { skipped: string };
  };

async function openArchive(config: SnapshotConfig, ports: OncePorts): Promise<Archive> {
  const { fs, stateDir, hostname } = ports;
  return new Archive(fs, stateDir, await readNodeIdentity(fs, nodeNameOf(config, hostname)));
}

/** The newest snapshot. @throws {SnapshotError} when there is none that can be used */
export async function loadOnce(config: SnapshotConfig, ports: OncePorts): Promise<Loaded> {
  return await (await openArchive(config, ports)).load();
}

/**
 * Takes a snapshot now.
 *
 * @throws {ProgramError} when the host's tools can't tell what there is
 */
export async function saveOnce(
  config: SnapshotConfig,
  ports: OncePorts,
): Promise<Exclude<Capture, { state: "unwritten" }>> {
  const { fs, exec, stateDir, clock, paths, hostname } = ports;
  await checkIproute(exec);
  await fs.mkdir(stateDir, 0o700);
  const own = await readNodeIdentity(fs, nodeNameOf(config, hostname));
  const archive = new Archive(fs, stateDir, own);
  const former = await archive.load().then(
    (loaded) => loaded.state === "loaded" ? loaded : undefined,
    (error) => {
      // What can't be used is no reason to go without.
      if (error instanceof SnapshotError) return undefined;
      throw error;
    },
  );
  const seen = await collect(exec, fs, paths);
  const bootId = await readBootId(exec);
  const captured = await capture(
    seen,
    {
      snapshot: former?.snapshot,
      network: former?.snapshot.network,
      isDamaged: former?.isDamaged,
    },
    { state: "unknown" },
    { archive, clock, own, bootId },
  );
  if (captured.state === "unwritten") throw captured.error;
  return captured;
}

/**
 * Puts the newest snapshot back, and frees what an unclean end left behind in host-local's store. Meant for
 * the time before the container runtime starts, and harmless at any other.
 *
 * @throws {SnapshotError} when there are snapshots, but none that can be used: nothing was changed
 * @throws {ProgramError} when the host's tools can't do it
 */
export async function restoreOnce(
  config: SnapshotConfig,
  ports: OncePorts,
): Promise<RestoreOutcome> {
  const loaded = await loadOnce(config, ports);
  if (loaded.state === "loaded") await checkIproute(ports.exec);
  const sticky = new StickyIps(config.ipam, ports);
  const orphans = await sticky.collectOrphans().catch((error) => ({
    skipped: errorMessage(error),
  }));
  if (loaded.state === "none") return { state: "none", orphans };
  const { snapshot, passedOver } = loaded;
  const network = withLive(snapshot.network, await readKernelState(ports.exec));
  const report = await restoreNetwork(network, ports, { waitMs: config.underlayWait });
  return { state: "restored", snapshot, passedOver, report, orphans };
}

/** What {@linkcode restoreOnce} would do to the network now; undefined when there is no snapshot. */
export async function describeOnce(
  config: SnapshotConfig,
  ports: OncePorts,
): Promise<Awaited<ReturnType<typeof describeRestore>> | undefined> {
  const loaded = await loadOnce(config, ports);
  if (loaded.state === "none") return undefined;
  await checkIproute(ports.exec);
  const network = withLive(loaded.snapshot.network, await readKernelState(ports.exec));
  return await describeRestore(network, ports);
}

/** Gives pods' addresses back to flannel's own config and host-local. */
export async function leaveOnce(
  config: SnapshotConfig,
  ports: OncePorts,
): Promise<{ changed: number; broken: number }> {
  return await new StickyIps(config.ipam, ports).leave();
}
