import type { Logger } from "@logtape/logtape";
import type { Registry } from "prom-client";
import { Alarm } from "../kernel/alarm.ts";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import type { Exec } from "../platform/exec.ts";
import type { Fs } from "../platform/fs.ts";
import { watchDirectories } from "../platform/watch.ts";
import { Archive } from "./archive.ts";
import { NETWORK_PATHS } from "./collect.ts";
import type { SnapshotConfig } from "./config.ts";
import { Keeper } from "./keeper.ts";
import { checkIproute } from "./kernel_state.ts";
import type { LinkPort } from "./link_port.ts";
import { createSnapshotMetrics, type SnapshotMetrics } from "./metrics.ts";
import { createNodeInformer, type NodeInformer } from "./node_informer.ts";
import { readBootId, readNodeIdentity } from "./node_identity.ts";
import type { PeerNotices } from "./peer_notice.ts";
import { snapshotStatus } from "./status.ts";

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
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
  link: LinkPort;
  notices?: PeerNotices;
}

/** Constructs the module that keeps the node's network; nothing is opened before `start`. */
export function createSnapshot(config: SnapshotConfig, ports: SnapshotPorts): Module {
  return new SnapshotModule(config, ports);
}

class SnapshotModule implements Module {
  readonly name = "snapshot";
  readonly #ports: SnapshotPorts;
  readonly #config: SnapshotConfig;
  readonly #metrics: SnapshotMetrics;
  readonly #alarm: Alarm;
  #keeper: Keeper | undefined;
  #nodes: NodeInformer | undefined;
  #stack = new AsyncDisposableStack();

  constructor(config: SnapshotConfig, ports: SnapshotPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#metrics = createSnapshotMetrics(ports.registry);
    this.#alarm = new Alarm(ports.clock);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { fs, exec, stateDir, logger, link, hostname, notices } = this.#ports;
    await checkIproute(exec);
    await fs.mkdir(stateDir, 0o700);
    const own = await readNodeIdentity(fs, this.#config.nodeName ?? hostname());
    const wake = () => this.#alarm.ring();
    const nodes = this.#openNodes(wake);
    const keeper = new Keeper(
      {
        ...this.#ports,
        metrics: this.#metrics,
        archive: new Archive(fs, stateDir, own),
        nodes: () => nodes?.objects,
      },
      own,
      await readBootId(exec),
    );
    await keeper.open();
    this.#keeper = keeper;

    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#stack.defer(link.subscribe(wake));
    if (notices !== undefined) {
      this.#stack.defer(notices.subscribe((notice) => {
        keeper.notice(notice);
        wake();
      }));
    }
    const background = Promise.all([
      this.#run(keeper, stop.signal),
      this.#watchKernel(wake, stop.signal),
      nodes?.run(stop.signal),
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
    const state = this.#keeper?.state ?? { state: "starting" };
    switch (state.state) {
      case "starting":
        return "not started";
      case "failed":
        return state.why;
      case "degraded":
      case "kept":
        // What is wrong with the network is no reason to take the agent for broken.
        return undefined;
      default:
        return state satisfies never;
    }
  }

  status(): Record<string, unknown> {
    if (this.#keeper === undefined) return { state: "starting" };
    const { link, notices } = this.#ports;
    return snapshotStatus(this.#keeper, {
      link: link.state,
      nodes: this.#nodes?.objects?.length,
      peersAreTold: notices !== undefined,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stack = this.#stack;
    this.#stack = new AsyncDisposableStack();
    await stack.disposeAsync();
    this.#keeper = undefined;
  }

  #openNodes(changed: () => void): NodeInformer | undefined {
    const { nodesKubeconfig: path } = this.#config;
    if (path === undefined) return undefined;
    const nodes = createNodeInformer(path, { ...this.#ports, changed });
    this.#stack.use(nodes);
    this.#nodes = nodes;
    return nodes;
  }

  /** Restores at the start, then looks when something changed, and now and then. */
  async #run(keeper: Keeper, signal: AbortSignal): Promise<void> {
    const { clock, link, logger } = this.#ports;
    const { underlayWait, interval, verifyInterval, debounce } = this.#config;
    try {
      await keeper.restore(underlayWait, signal);
    } catch (error) {
      logger.error("can not put the network back", { error: errorMessage(error) });
    }
    const watched = [
      NETWORK_PATHS.subnetEnv.replace(/\/[^/]*$/, ""),
      NETWORK_PATHS.results,
      NETWORK_PATHS.cniConfDir,
    ];
    const { fs } = this.#ports;
    using watch = watchDirectories([], () => this.#alarm.ring());
    while (!signal.aborted) {
      watch.extend(watched.map((path) => fs.resolve(path)));
      await keeper.pass(signal);
      const rung = await this.#alarm.sleep(
        link.state === "up" ? interval : verifyInterval,
        signal,
      );
      // One change comes with others: they are looked at together.
      if (rung) await clock.sleep(debounce, signal);
    }
  }

  /** Follows what the kernel tells of links, addresses and routes. */
  async #watchKernel(changed: () => void, signal: AbortSignal): Promise<void> {
    const { exec, clock, logger } = this.#ports;
    let told = false;
    while (!signal.aborted) {
      try {
        const events = exec.lines(["ip", "-o", "monitor", "link", "address", "route"], signal);
        for await (const _ of events) changed();
      } catch (error) {
        if (!told) logger.warn("can not follow the kernel", { error: errorMessage(error) });
        told = true;
      }
      await clock.sleep(this.#config.verifyInterval, signal);
    }
  }
}
