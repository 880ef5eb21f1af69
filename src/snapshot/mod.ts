import type { Logger } from "@logtape/logtape";
import { dirname } from "node:path/posix";
import type { Registry } from "prom-client";
import { Alarm } from "../kernel/alarm.ts";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import type { Exec } from "../platform/exec.ts";
import type { Fs } from "../platform/fs.ts";
import { watchDirectories } from "../platform/watch.ts";
import { Archive } from "./archive.ts";
import { type ClusterView, isFresh, viewNodes, viewPods } from "./cluster_view.ts";
import { NETWORK_PATHS } from "./collect.ts";
import type { SnapshotConfig } from "./config.ts";
import { forgetPods } from "./forget_pods.ts";
import type { Program } from "./ipam/shim.ts";
import { Keeper } from "./keeper.ts";
import { checkIproute } from "./kernel_state.ts";
import { watchKernel } from "./kernel_watch.ts";
import type { LinkPort } from "./link_port.ts";
import { createSnapshotMetrics, type SnapshotMetrics } from "./metrics.ts";
import type { NodeKnowledge } from "./next_network.ts";
import type { NodeFacts } from "./node_facts.ts";
import { nodeNameOf, readBootId, readNodeIdentity } from "./node_identity.ts";
import type { PeerNotices } from "./peer_notice.ts";
import { snapshotStatus } from "./status.ts";
import { StickyIps } from "./sticky_ips.ts";

/** What the module needs from the outside. */
export interface SnapshotPorts {
  clock: Clock;
  fs: Fs;
  exec: Exec;
  logger: Logger;
  registry: Registry;
  /** Directory (0700) for the snapshots. */
  stateDir: string;
  hostname: () => string;
  /** How the agent is started by others. */
  program: Program;
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
  link: LinkPort;
  notices?: PeerNotices;
}

/** Constructs the module that keeps the node's network; nothing is opened before `start`. */
export function createSnapshot(config: SnapshotConfig, ports: SnapshotPorts): Module {
  return new SnapshotModule(config, ports);
}

/** How long to wait before what was put right is looked at again, at least, ms; twice as long each time. */
const MIN_SLOWER_MS = 1_000;

class SnapshotModule implements Module {
  readonly name = "snapshot";
  readonly #ports: SnapshotPorts;
  readonly #config: SnapshotConfig;
  readonly #metrics: SnapshotMetrics;
  readonly #alarm: Alarm;
  readonly #sticky: StickyIps;
  /** Why nothing can be done on this host yet. */
  #unable: string | undefined;
  #keeper: Keeper | undefined;
  #nodes: ClusterView<NodeFacts> | undefined;
  #pods: ClusterView<string> | undefined;
  /** Monotonic ms; undefined while the link is not up. */
  #upSinceMs: number | undefined;
  #stack = new AsyncDisposableStack();

  constructor(config: SnapshotConfig, ports: SnapshotPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#metrics = createSnapshotMetrics(ports.registry);
    this.#alarm = new Alarm(ports.clock);
    this.#sticky = new StickyIps(config.ipam, ports);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { fs, exec, stateDir, logger, link, hostname, notices, clock } = this.#ports;
    const { nodesKubeconfig, podsKubeconfig } = this.#config;
    const nodeName = nodeNameOf(this.#config, hostname);
    await this.#findTools();
    await fs.mkdir(stateDir, 0o700);
    const own = await readNodeIdentity(fs, nodeName);
    const changed = () => this.#alarm.ring();
    const ports = { ...this.#ports, changed };
    if (nodesKubeconfig !== undefined) {
      // What was said before may count from the first word on that is surely of now.
      let countedSinceMs: number | undefined;
      const heard = () => {
        if (!this.#isFresh(this.#nodes) || countedSinceMs === this.#upSinceMs) return;
        countedSinceMs = this.#upSinceMs;
        changed();
      };
      this.#nodes = this.#stack.use(viewNodes(nodesKubeconfig, { ...ports, heard }));
    }
    if (podsKubeconfig !== undefined) {
      // It changes all the time, and nothing is urgent about it.
      const quiet = { ...ports, changed: () => {} };
      this.#pods = this.#stack.use(viewPods(podsKubeconfig, nodeName, quiet));
    }
    const keeper = new Keeper(
      {
        ...this.#ports,
        metrics: this.#metrics,
        archive: new Archive(fs, stateDir, own),
        nodes: () => this.#knowledge(),
        podsIntervalMs: this.#config.interval,
      },
      own,
      await readBootId(exec),
    );
    await keeper.open();
    this.#keeper = keeper;

    const followLink = () => {
      if (link.state !== "up") this.#upSinceMs = undefined;
      else this.#upSinceMs ??= clock.monotonic();
      keeper.followLink();
      changed();
    };
    followLink();
    this.#stack.defer(link.subscribe(followLink));
    if (notices !== undefined) {
      this.#stack.defer(notices.subscribe((notice) => {
        keeper.notice(notice);
        changed();
      }));
    }
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener("abort", abort, { once: true });
    const background = Promise.all([
      this.#run(keeper, stop.signal),
      this.#nodes?.run(stop.signal),
      this.#pods?.run(stop.signal),
      link.run?.(stop.signal),
    ]);
    this.#stack.defer(async () => {
      signal.removeEventListener("abort", abort);
      stop.abort();
      await background;
    });
    logger.info("looking after the network", {
      node: own.name,
      generation: keeper.newest?.generation,
    });
  }

  notReady(): string | undefined {
    if (this.#unable !== undefined) return this.#unable;
    const state = this.#keeper?.state;
    if (state === undefined || state.state === "starting") return "not started";
    // What is wrong with the network is no reason to take the agent for broken.
    return state.state === "failed" ? state.why : undefined;
  }

  status(): Record<string, unknown> {
    if (this.#unable !== undefined) return { state: "failed", why: this.#unable };
    if (this.#keeper === undefined) return { state: "starting" };
    const { link, notices } = this.#ports;
    return snapshotStatus(this.#keeper, {
      link: link.state,
      nodes: this.#nodes?.objects?.length,
      peersAreTold: notices !== undefined,
      stickyIps: this.#sticky.state,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stack = this.#stack;
    this.#stack = new AsyncDisposableStack();
    await stack.disposeAsync();
    this.#keeper = undefined;
  }

  #isFresh(view: ClusterView<unknown> | undefined): boolean {
    return view !== undefined && isFresh(view, this.#upSinceMs, this.#ports.clock.monotonic());
  }

  #knowledge(): NodeKnowledge {
    const nodes = this.#nodes?.objects;
    if (nodes === undefined) return { state: "unknown" };
    return { state: this.#isFresh(this.#nodes) ? "fresh" : "stale", nodes };
  }

  /** Restores at the start, then looks when something changed, and now and then. */
  async #run(keeper: Keeper, signal: AbortSignal): Promise<void> {
    const pauseMs = this.#config.verifyInterval;
    while (this.#unable !== undefined && !signal.aborted) {
      await this.#ports.clock.sleep(pauseMs, signal);
      await this.#findTools();
    }
    await Promise.all([
      watchKernel(this.#ports, { changed: () => this.#alarm.ring(), pauseMs }, signal),
      this.#look(keeper, signal),
    ]);
  }

  /** The other modules, the node's API above all, have nothing to do with tools that are missing. */
  async #findTools(): Promise<void> {
    const former = this.#unable;
    this.#unable = await checkIproute(this.#ports.exec).then(() => undefined, errorMessage);
    if (this.#unable === undefined || this.#unable === former) return;
    this.#ports.logger.error("can not look after the network", { error: this.#unable });
  }

  async #look(keeper: Keeper, signal: AbortSignal): Promise<void> {
    const { clock, link, fs } = this.#ports;
    const { underlayWait, interval, verifyInterval, debounce, ipam } = this.#config;
    const directories = [dirname(NETWORK_PATHS.subnetEnv), ...NETWORK_PATHS.results, ipam.confDir];
    using watch = watchDirectories([], () => this.#alarm.ring());
    await this.#sticky.reconcile();
    await this.#restore(keeper, underlayWait, signal);
    let pauseMs = debounce;
    while (!signal.aborted) {
      watch.extend(directories.map((path) => fs.resolve(path)));
      const mended = await keeper.pass(signal);
      // Somebody who undoes at once what is put right is not fought all day.
      const slowerMs = Math.max(2 * pauseMs, MIN_SLOWER_MS);
      pauseMs = mended ? Math.min(slowerMs, verifyInterval) : debounce;
      await this.#sticky.reconcile();
      await forgetPods(this.#sticky, this.#pods, this.#upSinceMs, clock);
      await this.#sticky.expire();
      const period = link.state === "up" ? interval : verifyInterval;
      // One change comes with others: they are looked at together.
      if (await this.#alarm.sleep(period, signal)) await clock.sleep(pauseMs, signal);
    }
  }

  async #restore(keeper: Keeper, waitMs: number, signal: AbortSignal): Promise<void> {
    try {
      await keeper.restore(waitMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#ports.logger.error("can not put the network back", { error: errorMessage(error) });
    }
  }
}
