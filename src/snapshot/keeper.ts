import type { Logger } from "@logtape/logtape";
import { errorMessage } from "../kernel/errors.ts";
import { runOperations } from "./apply.ts";
import type { Archive } from "./archive.ts";
import { capture } from "./capture.ts";
import { collect, type Observation } from "./collect.ts";
import { KnownNodes } from "./known_nodes.ts";
import { readKernelState } from "./kernel_state.ts";
import type { LinkPort } from "./link_port.ts";
import { withLive } from "./live_network.ts";
import type { SnapshotMetrics } from "./metrics.ts";
import { type KernelState, type Network, OWN_PROTOCOL } from "./model.ts";
import type { NodeKnowledge } from "./next_network.ts";
import { applyNotice, noticeOf, type PeerNotice, type PeerNotices } from "./peer_notice.ts";
import { planReconcile } from "./reconcile.ts";
import { hasChanged, restoreNetwork, type RestorePorts, type RestoreReport } from "./restore.ts";
import { RestoreLog } from "./restore_log.ts";
import { type NodeIdentity, type Snapshot, SnapshotError } from "./snapshot_file.ts";
import { type KeeperState, StateLog } from "./state_log.ts";

/** What a keeper works with. */
export interface KeeperPorts extends RestorePorts {
  logger: Logger;
  metrics: SnapshotMetrics;
  archive: Archive;
  link: LinkPort;
  nodes: () => NodeKnowledge;
  /** How often a change of pods alone is written at most, ms. */
  podsIntervalMs: number;
  notices?: PeerNotices;
}

/** Keeps the newest good network of this node on disk, and this node's network as it is there. */
export class Keeper {
  readonly #ports: KeeperPorts;
  readonly #own: NodeIdentity;
  readonly #bootId: string;
  #newest: Snapshot | undefined;
  #isDamaged = false;
  /** Monotonic ms; undefined before the first. */
  #savedAtMs: number | undefined;
  /** The newest snapshot's, with what peers have told since. */
  #network: Network | undefined;
  /** The kernel when that was taken from it. */
  #takenFrom: KernelState | undefined;
  /** Whether the network is held since the link went: what others have set until then has been taken. */
  #isHeld: boolean;
  #state: KeeperState = { state: "starting" };
  readonly #known: KnownNodes;
  readonly #stateLog: StateLog;
  readonly #restoreLog: RestoreLog;

  constructor(ports: KeeperPorts, own: NodeIdentity, bootId: string) {
    this.#ports = ports;
    this.#own = own;
    this.#bootId = bootId;
    this.#isHeld = ports.link.state === "down";
    this.#known = new KnownNodes(ports.nodes, own.name, ports.logger);
    this.#stateLog = new StateLog(ports.logger);
    this.#restoreLog = new RestoreLog(ports.logger, ports.metrics);
  }

  get state(): KeeperState {
    return this.#state;
  }

  get newest(): Snapshot | undefined {
    return this.#newest;
  }

  /** What could not be restored, as commands with their reasons. */
  get failures(): Pick<RestoreLog, "refused" | "complaints"> {
    return this.#restoreLog;
  }

  /** Reads what is on disk; a disk without a usable snapshot is told and is no end. */
  async open(): Promise<void> {
    const { archive, logger } = this.#ports;
    try {
      const loaded = await archive.load();
      if (loaded.state === "none") return;
      for (const why of loaded.passedOver) logger.warn("a snapshot can not be used", { why });
      this.#isDamaged = loaded.isDamaged;
      this.#take(loaded.snapshot);
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      logger.error("no snapshot can be used", { error: errorMessage(error) });
    }
  }

  /** Puts the newest network back, as far as flanneld has not set another one since. */
  async restore(waitMs: number, signal: AbortSignal): Promise<RestoreReport | undefined> {
    if (this.#network === undefined) return undefined;
    const kernel = await readKernelState(this.#ports.exec);
    this.#network = withLive(this.#network, kernel);
    this.#takenFrom = kernel;
    return await this.#putBack(waitMs, signal);
  }

  async #putBack(waitMs: number, signal: AbortSignal): Promise<RestoreReport | undefined> {
    if (this.#network === undefined) return undefined;
    const report = await restoreNetwork(this.#network, this.#ports, { waitMs, signal });
    this.#restoreLog.tell(report);
    const isReaddressed = report.changes.some(({ change }) => change === "readdressed");
    if (hasChanged(report) && isReaddressed) this.#announce();
    return report;
  }

  /** Looks at everything once: puts right what should be otherwise (true), and keeps what is good. */
  async pass(signal: AbortSignal): Promise<boolean> {
    const { metrics } = this.#ports;
    metrics.passes.inc();
    let mended = false;
    try {
      const seen = await this.#collect();
      mended = await this.#mend(seen.kernel, signal);
      await this.#save(mended ? await this.#collect() : seen);
    } catch (error) {
      metrics.passesFailed.inc();
      this.#enter({ state: "failed", why: errorMessage(error) });
    }
    return mended;
  }

  /** Notes that the link is another one. It may be down again by the next pass. */
  followLink(): void {
    if (this.#ports.link.state !== "down") this.#isHeld = false;
  }

  /** Takes over what another node tells of itself. The next pass sets it. */
  notice(notice: PeerNotice): void {
    if (this.#network !== undefined) this.#network = applyNotice(this.#network, notice);
  }

  /**
   * While nobody else looks after the network, it is held as it was; else only what is the agent's own is kept
   * right. True when something was changed.
   */
  async #mend(kernel: KernelState, signal: AbortSignal): Promise<boolean> {
    const { state } = this.#ports.link;
    this.followLink();
    switch (state) {
      case "down":
        // Of what flanneld set until the link went, the last may have been seen by nobody yet.
        if (!this.#isHeld) this.#network &&= withLive(this.#network, kernel, this.#takenFrom);
        this.#isHeld = true;
        return await this.#hold(signal);
      case "unknown":
        // Whether flanneld has taken all over: then no route is the agent's any more.
        if (!hasOwnRoutes(kernel)) return false;
        // Of some peers it may know better already.
        this.#network &&= withLive(this.#network, kernel);
        return await this.#hold(signal);
      case "up":
        return await this.#reconcile(kernel, this.#known.read());
      default:
        return state satisfies never;
    }
  }

  async #hold(signal: AbortSignal): Promise<boolean> {
    const report = await this.#putBack(0, signal);
    return report !== undefined && hasChanged(report);
  }

  async #reconcile(kernel: KernelState, known: NodeKnowledge): Promise<boolean> {
    if (known.state !== "fresh") return false;
    const operations = planReconcile(kernel, known.nodes, this.#own.name);
    if (operations.length === 0) return false;
    const refusals = await runOperations(this.#ports.exec, operations);
    this.#ports.metrics.operations.inc(operations.length);
    this.#ports.logger.info("restored peers brought up to what the cluster says", {
      operations: operations.length,
      refused: refusals.length,
    });
    return true;
  }

  #collect(): Promise<Observation> {
    const { exec, fs, paths } = this.#ports;
    return collect(exec, fs, paths);
  }

  async #save(seen: Observation): Promise<void> {
    const { clock, podsIntervalMs } = this.#ports;
    const [snapshot, network, isDamaged] = [this.#newest, this.#network, this.#isDamaged];
    const former = { snapshot, network, isDamaged };
    const captured = await capture(seen, former, this.#known.read(), {
      ...this.#ports,
      mayPodsWait: clock.monotonic() - (this.#savedAtMs ?? -Infinity) < podsIntervalMs,
      own: this.#own,
      bootId: this.#bootId,
    });
    if (captured.state === "degraded") return this.#enter(captured);
    this.#takenFrom = seen.kernel;
    if (captured.state === "unwritten") {
      // What is held while the link is down must not be as old as the disk's last good day.
      this.#network = captured.network;
      throw captured.error;
    }
    if (captured.written) {
      this.#ports.metrics.saved.inc();
      this.#savedAtMs = clock.monotonic();
      this.#isDamaged = false;
      this.#take(captured.snapshot);
    }
    this.#enter({ state: "kept" });
  }

  #take(snapshot: Snapshot): void {
    const { metrics } = this.#ports;
    this.#newest = snapshot;
    this.#network = snapshot.network;
    metrics.peers.set(snapshot.network.peers.length);
    const takenMs = Date.parse(snapshot.takenAt);
    if (!Number.isNaN(takenMs)) metrics.takenAt.set(takenMs / 1_000);
  }

  #announce(): void {
    const { notices, logger } = this.#ports;
    if (notices === undefined) {
      logger.warn(
        "this node's address changed, and the other nodes can not be told before the cloud is back",
      );
      return;
    }
    void this.#collect().then(({ network }) => {
      const podCidrs = this.#network?.podCidrs ?? [];
      notices.announce(noticeOf({ ...network, podCidrs }, this.#own.name));
    }, (error) => logger.warn("can not tell the other nodes", { error: errorMessage(error) }));
  }

  #enter(state: KeeperState): void {
    this.#state = state;
    this.#ports.metrics.degraded.set(state.state === "degraded" ? 1 : 0);
    this.#stateLog.tell(state, this.#newest);
  }
}

function hasOwnRoutes({ routes }: KernelState): boolean {
  return routes.some(({ protocol }) => protocol === OWN_PROTOCOL);
}
