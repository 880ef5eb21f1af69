import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Fs } from "../platform/fs.ts";
import type { SnapshotConfig } from "./config.ts";
import { adopt, leave } from "./ipam/adoption.ts";
import { readConfDir } from "./ipam/conf_dir.ts";
import { type FlannelNetwork, planConflist } from "./ipam/conflist.ts";
import { clearHolds } from "./ipam/holds.ts";
import { type ConflistOutcome, installShim, reconcileConflist } from "./ipam/install.ts";
import type { IpamPorts } from "./ipam/ipam_network.ts";
import { ipamPaths } from "./ipam/ipam_paths.ts";
import { type CollectedOrphans, collectOrphans } from "./ipam/orphans.ts";
import type { ScratchCount } from "./ipam/scratch.ts";
import type { Program } from "./ipam/shim.ts";

/** What pods' addresses are looked after with. */
export interface StickyIpsPorts {
  fs: Fs;
  clock: Clock;
  logger: Logger;
  /** How container runtimes start the agent. */
  program: Program;
}

/** Where container runtimes listen: there from their start to the next boot. */
const RUNTIME_SOCKETS = [
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/k3s/containerd/containerd.sock",
  "/run/cri-dockerd.sock",
];

/** How long what is known of a pod that is nowhere any more is kept, ms. */
const RECORD_TTL_MS = 30 * 86_400_000;

/** How the node's CNI config stands. */
export type StickyIpsState =
  | { state: "off" }
  | { state: "waiting"; why: string }
  | { state: "installed"; file: string; network: string }
  /** Pods get any address, as without the agent. */
  | { state: "refused"; why: string };

/** Puts the agent between flannel's CNI plugin and host-local, and keeps what it holds in order. */
export class StickyIps {
  readonly #config: SnapshotConfig["ipam"];
  readonly #ports: StickyIpsPorts;
  readonly #ipam: IpamPorts;
  #state: StickyIpsState = { state: "waiting", why: "not looked yet" };
  #network: FlannelNetwork | undefined;

  constructor(config: SnapshotConfig["ipam"], ports: StickyIpsPorts) {
    const { fs, clock } = ports;
    const { confDir, binDir } = config;
    this.#config = config;
    this.#ports = ports;
    this.#ipam = { fs, clock, paths: { ...ipamPaths(), confDir, binDir } };
    if (!config.sticky) this.#state = { state: "off" };
  }

  get state(): StickyIpsState {
    return this.#state;
  }

  /** Installs the plugin, and our config anew whenever flannel's differs; what is right already is left alone. */
  async reconcile(): Promise<void> {
    if (!this.#config.sticky) return;
    const { logger } = this.#ports;
    const former = JSON.stringify(this.#state);
    try {
      const { confDir } = this.#config;
      const plan = planConflist(await readConfDir(this.#ipam.fs, confDir));
      // First: a config that names a plugin which is not there would keep every pod from starting.
      if (plan.state === "wanted" || plan.state === "absent" && plan.file !== undefined) {
        await installShim(this.#ipam, this.#ports.program);
      }
      const outcome = await reconcileConflist(this.#ipam);
      this.#state = toState(outcome);
      if (outcome.state === "written") {
        const { changed } = await adopt(this.#ipam, outcome.network);
        logger.info("pods keep their addresses from now on", {
          file: outcome.file,
          network: outcome.network.name,
          olderPods: changed,
        });
      }
      if (outcome.state !== "refused") this.#network = outcome.network;
    } catch (error) {
      this.#state = { state: "refused", why: errorMessage(error) };
    }
    if (this.#state.state === "refused" && JSON.stringify(this.#state) !== former) {
      logger.warn("pods can not keep their addresses", { why: this.#state.why });
    }
  }

  /**
   * Forgets pods that are gone.
   *
   * @param pods `namespace/name` of all pods of this node, in a fresh answer
   * @param askedAtMs wall clock before that was asked
   */
  async forget(pods: ReadonlySet<string>, askedAtMs: number): Promise<void> {
    if (this.#network === undefined) return;
    const { logger } = this.#ports;
    try {
      const { holds, records } = await clearHolds(this.#ipam, this.#network, pods, askedAtMs);
      if (holds > 0) logger.info("addresses of deleted pods are free again", { holds, records });
    } catch (error) {
      logger.warn("can not free addresses of deleted pods", { error: errorMessage(error) });
    }
  }

  /**
   * Frees what an unclean end left behind, unless a container runtime has started since the boot: what it is just
   * doing is in no book yet.
   */
  async collectOrphans(): Promise<CollectedOrphans | { skipped: string }> {
    for (const path of RUNTIME_SOCKETS) {
      if (await this.#ports.fs.exists(path)) {
        return { skipped: `a container runtime runs (${path})` };
      }
    }
    await this.reconcile();
    if (this.#network === undefined) {
      return { skipped: this.#state.state === "refused" ? this.#state.why : "no flannel network" };
    }
    const { holdTtl } = this.#config;
    return await collectOrphans(this.#ipam, this.#network, {
      holdTtlMs: holdTtl,
      recordTtlMs: RECORD_TTL_MS,
    });
  }

  /** Gives the node back to flannel's own config and host-local. */
  async leave(): Promise<ScratchCount> {
    return await leave(this.#ipam);
  }
}

function toState(outcome: ConflistOutcome): StickyIpsState {
  switch (outcome.state) {
    case "written":
    case "unchanged":
      return { state: "installed", file: outcome.file, network: outcome.network.name };
    case "absent":
      return outcome.file === undefined || outcome.network === undefined
        ? { state: "waiting", why: "flannel's CNI config is not there yet" }
        : { state: "installed", file: outcome.file, network: outcome.network.name };
    case "refused":
      return { state: "refused", why: outcome.reason };
    default:
      return outcome satisfies never;
  }
}
