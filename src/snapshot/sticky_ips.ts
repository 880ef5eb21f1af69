import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage, UnavailableError } from "../kernel/errors.ts";
import type { Fs } from "../platform/fs.ts";
import type { SnapshotConfig } from "./config.ts";
import { adopt, leave } from "./ipam/adoption.ts";
import { readConfDir } from "./ipam/conf_dir.ts";
import { type FlannelNetwork, isOurs, planConflist } from "./ipam/conflist.ts";
import { dropExpired } from "./ipam/expiry.ts";
import { clearHolds } from "./ipam/holds.ts";
import { type ConflistOutcome, installShim, reconcileConflist } from "./ipam/install.ts";
import type { IpamPorts } from "./ipam/ipam_network.ts";
import { ipamPaths } from "./ipam/ipam_paths.ts";
import { type CollectedOrphans, collectOrphans } from "./ipam/orphans.ts";
import { findRuntimeSign } from "./ipam/runtime_sign.ts";
import type { ScratchCount } from "./ipam/scratch.ts";
import type { Program } from "./ipam/shim.ts";

/** What pods' addresses are looked after with. */
export interface StickyIpsPorts {
  fs: Fs;
  clock: Clock;
  logger: Logger;
  /** How container runtimes start the agent. */
  program: Program;
  /** Where the agent keeps records and snapshots. */
  stateDir: string;
}

/** How long what is known of a pod that is nowhere any more is kept, ms. */
const RECORD_TTL_MS = 30 * 86_400_000;

/** Of how many such pods at most: a job every minute makes 43,200 in that time. */
const IDLE_RECORDS = 1_000;

/** How many are forgotten at once: 0.1 to 0.2 s in which no pod starts or ends. */
const EXPIRED_AT_ONCE = 500;

/** How often that is looked at, ms. */
const EXPIRY_MS = 3_600_000;

/** How the node's CNI config stands. */
export type StickyIpsState =
  | { state: "off" }
  | { state: "waiting"; why: string }
  /** `torn`: what a power cut left of flannel's own config, which flannel writes again. Ours says what it said. */
  | { state: "installed"; file: string; network: string; torn?: string }
  /** Pods get any address, as without the agent. */
  | { state: "refused"; why: string };

/** Puts the agent between flannel's CNI plugin and host-local, and keeps what it holds in order. */
export class StickyIps {
  readonly #config: SnapshotConfig["ipam"];
  readonly #ports: StickyIpsPorts;
  readonly #ipam: IpamPorts;
  #state: StickyIpsState = { state: "waiting", why: "not looked yet" };
  #network: FlannelNetwork | undefined;
  /** Whether it was said that something is left of a time when this was on. */
  #left = false;
  /** Whether the end of older pods comes to us: an agent before this one may have been killed on the way there. */
  #adopted = false;
  /** When to look for what is too old again, monotonic ms: not while pods still come back after a boot. */
  #expiryDueMs: number;
  /** The wall clock when the monotonic one stood at zero, as far as this process knows. */
  readonly #epochMs: number;

  constructor(config: SnapshotConfig["ipam"], ports: StickyIpsPorts) {
    const { fs, clock, stateDir } = ports;
    const { confDir, binDir } = config;
    this.#config = config;
    this.#ports = ports;
    this.#expiryDueMs = clock.monotonic() + EXPIRY_MS;
    this.#epochMs = clock.now() - clock.monotonic();
    this.#ipam = { fs, clock, paths: { ...ipamPaths("", stateDir), confDir, binDir } };
    if (!config.sticky) this.#state = { state: "off" };
  }

  get state(): StickyIpsState {
    return this.#state;
  }

  /** Installs the plugin, and our config anew whenever flannel's differs; what is right already is left alone. */
  async reconcile(): Promise<void> {
    if (!this.#config.sticky) return await this.#tellWhatIsLeft();
    const { logger } = this.#ports;
    const former = JSON.stringify(this.#state);
    try {
      const { confDir } = this.#config;
      const plan = planConflist(await readConfDir(this.#ipam.fs, confDir));
      // First: a config that names a plugin which is not there would keep every pod from starting.
      if (plan.state === "wanted" || plan.state === "absent" && plan.file !== undefined) {
        const { program, stateDir } = this.#ports;
        await installShim(this.#ipam, program, stateDir);
      }
      const outcome = await reconcileConflist(this.#ipam);
      this.#state = toState(outcome);
      if (outcome.state !== "refused") this.#network = outcome.network;
      if (outcome.state === "written" || !this.#adopted && this.#state.state === "installed") {
        const olderPods = await this.#adopt();
        if (outcome.state === "written") {
          const { file, network: { name } } = outcome;
          logger.info("pods keep their addresses from now on", { file, network: name, olderPods });
        }
      }
    } catch (error) {
      this.#state = { state: "refused", why: errorMessage(error) };
    }
    if (JSON.stringify(this.#state) === former) return;
    if (this.#state.state === "refused") {
      logger.warn("pods can not keep their addresses", { why: this.#state.why });
    } else if (this.#state.state === "installed" && this.#state.torn !== undefined) {
      const { file, torn } = this.#state;
      logger.warn("flannel's CNI config can not be read: ours is used as it is", { file, torn });
    }
  }

  /** Switched off is not undone: pods that are there name the plugin. */
  async #tellWhatIsLeft(): Promise<void> {
    const names = await this.#ipam.fs.list(this.#config.confDir).catch(() => []);
    const left = names.find(isOurs);
    if (left === undefined || this.#left) return;
    this.#left = true;
    this.#ports.logger.warn(
      "pods still get their addresses through the agent: edge-agent snapshot leave undoes that",
      { file: `${this.#config.confDir}/${left}` },
    );
  }

  async #adopt(): Promise<number> {
    this.#adopted = false;
    const { changed } = await adopt(this.#ipam, this.#network!);
    this.#adopted = true;
    return changed;
  }

  /**
   * Forgets pods that are gone.
   *
   * @param pods `namespace/name` of all pods of this node, in a fresh answer
   * @param askedAtMs wall clock before that was asked
   */
  async forget(pods: ReadonlySet<string>, askedAtMs: number): Promise<void> {
    // A node without any pod: more likely the wrong node was asked about.
    if (this.#network === undefined || pods.size === 0) return;
    const { logger } = this.#ports;
    try {
      const { holds, records } = await clearHolds(this.#ipam, this.#network, pods, askedAtMs);
      if (holds > 0) logger.info("addresses of deleted pods are free again", { holds, records });
    } catch (error) {
      logger.warn("can not free addresses of deleted pods", { error: errorMessage(error) });
    }
  }

  /** Forgets what is too old or too much, whether or not anybody can tell which pods are gone: once an hour. */
  async expire(): Promise<void> {
    const { logger, clock } = this.#ports;
    if (this.#network === undefined || clock.monotonic() < this.#expiryDueMs) return;
    this.#expiryDueMs = clock.monotonic() + EXPIRY_MS;
    const limits = {
      ...{ holdTtlMs: this.#config.holdTtl, recordTtlMs: RECORD_TTL_MS },
      ...{ idleRecords: IDLE_RECORDS, atOnce: EXPIRED_AT_ONCE },
    };
    // A clock that is set right makes nothing older: what was held while it was behind would be too old at once.
    const nowMs = Math.min(clock.now(), this.#epochMs + clock.monotonic());
    try {
      const { holds, records, more } = await dropExpired(this.#ipam, this.#network, limits, nowMs);
      if (more) this.#expiryDueMs = 0;
      if (holds > 0) logger.info("addresses held for too long are free again", { holds, records });
    } catch (error) {
      logger.warn("can not free addresses held for too long", { error: errorMessage(error) });
    }
  }

  /**
   * Frees what an unclean end left behind, unless a container runtime has started since the boot: what it is just
   * doing is in no book yet.
   *
   * @throws {UnavailableError} when one has
   */
  async collectOrphans(): Promise<CollectedOrphans | { skipped: string }> {
    await this.#refuseBesideRuntime();
    await this.reconcile();
    if (this.#network === undefined) {
      return { skipped: this.#state.state === "refused" ? this.#state.why : "no flannel network" };
    }
    const limits = { holdTtlMs: this.#config.holdTtl, recordTtlMs: RECORD_TTL_MS };
    return await collectOrphans(
      this.#ipam,
      this.#network,
      limits,
      () => this.#refuseBesideRuntime(),
    );
  }

  async #refuseBesideRuntime(): Promise<void> {
    const sign = await findRuntimeSign(this.#ports.fs);
    if (sign !== undefined) throw new UnavailableError(`a container runtime runs (${sign})`);
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
        : {
          ...{ state: "installed", file: outcome.file, network: outcome.network.name },
          ...(outcome.torn && { torn: outcome.torn }),
        };
    case "refused":
      return { state: "refused", why: outcome.reason };
    default:
      return outcome satisfies never;
  }
}
