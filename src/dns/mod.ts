import type { Logger } from "@logtape/logtape";
import type { Registry } from "prom-client";
import type { Clock } from "../kernel/clock.ts";
import type { Module } from "../kernel/module.ts";
import type { Exec } from "../platform/exec.ts";
import type { Fs } from "../platform/fs.ts";
import { watchDirectories } from "../platform/watch.ts";
import type { DnsConfig } from "./config.ts";
import { createDnsMetrics, type DnsMetrics } from "./metrics.ts";
import { HostResolvers, type Resolvers } from "./forward/host_resolvers.ts";
import { createResolution, type Resolution } from "./resolution.ts";
import { Listeners } from "./server/listeners.ts";
import { ClusterSource } from "./source/cluster_source.ts";
import { ZoneKeeper } from "./source/zone_keeper.ts";
import { PodsOfNode } from "./search/pods_of_node.ts";
import type { FactsKind } from "./zone/cluster_state.ts";
import { nameKey, parseName } from "./wire/name.ts";
import { ClusterZone } from "./zone/cluster_zone.ts";

/** What the module needs from the outside. */
export interface DnsPorts {
  clock: Clock;
  fs: Fs;
  exec: Exec;
  logger: Logger;
  registry: Registry;
  /** Directory (0700) for what outlives a restart. */
  stateDir: string;
  hostname: () => string;
  random: () => number;
  /** Unforeseeable bytes. */
  randomBytes: (length: number) => Uint8Array;
  /** Calls back when the link to the cloud comes up or goes down; the result ends it. */
  onLink?: (listener: (state: "up" | "down") => void) => () => void;
}

/** Kinds that the zone is made of. */
const ZONE_KINDS: readonly FactsKind[] = ["service", "endpointSlice", "namespace"];

/** Where the name servers are that the host's own stub asks, should its `resolv.conf` name just that. */
const BEHIND_THE_STUB = [
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
];

const DNS_PORT = 53;

/** Constructs the name server; nothing is opened before `start`. */
export function createDns(config: DnsConfig, ports: DnsPorts): Module {
  return new DnsModule(config, ports);
}

class DnsModule implements Module {
  readonly name = "dns";
  readonly #config: DnsConfig;
  readonly #ports: DnsPorts;
  readonly #metrics: DnsMetrics;
  readonly #zone: ClusterZone;
  readonly #keeper: ZoneKeeper;
  readonly #pods = new PodsOfNode();
  #host: Resolvers = { nameservers: [], leftOut: [], search: [] };
  #resolution: Resolution | undefined;
  #listeners: Listeners | undefined;
  #stack = new AsyncDisposableStack();

  constructor(config: DnsConfig, ports: DnsPorts) {
    const { clock, fs, logger, stateDir, registry } = ports;
    this.#config = config;
    this.#ports = ports;
    this.#zone = new ClusterZone({
      zone: config.zone,
      ttlSeconds: config.ttl / 1_000,
      pods: config.pods,
      endpointPodNames: config.endpointPodNames,
      reverseZones: config.reverseZones,
      nameServers: [config.listen.hostname],
    }, clock);
    this.#keeper = new ZoneKeeper(this.#zone, {
      ...{ fs, clock, logger },
      path: `${stateDir}/dns-zone.json`,
    });
    this.#metrics = createDnsMetrics(
      registry,
      this.#zone,
      () => this.#resolution?.forwarder.status() ?? [],
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    const { fs, stateDir, logger, clock, onLink, hostname } = this.#ports;
    const { kubeconfig, podsKubeconfig, nodeName = hostname() } = this.#config;
    await fs.mkdir(stateDir, 0o700);
    const resolution = this.#resolution = this.#stack.use(createResolution(this.#config, {
      ...this.#ports,
      metrics: this.#metrics,
      zone: this.#zone,
      podOf: (address) => this.#pods.podOf(address),
      hostDomains: () => this.#host.search,
      cachePath: `${stateDir}/dns-cache`,
    }));
    const { listen, forward: { resolvConf } } = this.#config;
    const resolvers = new HostResolvers([resolvConf, ...BEHIND_THE_STUB], [listen.hostname], {
      ...{ fs, clock },
      watch: watchDirectories,
    });
    // What was known before is there before the first question is.
    const [host] = await Promise.all([
      resolvers.read(),
      this.#keeper.load(),
      resolution.keeper.load(),
    ]);
    const listeners = this.#listeners = this.#stack.use(
      new Listeners(this.#config, {
        ...this.#ports,
        chain: resolution.chain,
        metrics: this.#metrics,
      }),
    );
    await listeners.open();
    // Not before it listens: this sends the probes that find out who leads back here.
    this.#ask(host);
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener("abort", abort, { once: true });
    const background: (Promise<void> | undefined)[] = [
      this.#keeper.run(stop.signal),
      resolution.keeper.run(stop.signal),
      resolvers.run(host, (now) => this.#ask(now), stop.signal),
      listeners.run(stop.signal),
      kubeconfig === undefined
        ? undefined
        : this.#follow(kubeconfig, ZONE_KINDS, nodeName, stop.signal),
      podsKubeconfig === undefined || !this.#needsPods()
        ? undefined
        : this.#follow(podsKubeconfig, ["pod"], nodeName, stop.signal),
    ];
    if (onLink !== undefined) {
      this.#stack.defer(
        onLink((state) => state === "up" ? resolution.hurry() : resolution.doubt()),
      );
    }
    this.#stack.defer(async () => {
      signal.removeEventListener("abort", abort);
      stop.abort();
      await Promise.all(background);
    });
    if (kubeconfig === undefined) {
      logger.warn("nobody is asked for the cluster's Services: dns.kubeconfig is not set");
    }
    if (podsKubeconfig === undefined && this.#needsPods()) {
      logger.warn("nobody is asked for this node's pods: dns.podsKubeconfig is not set");
    }
    logger.info("answering", {
      address: listeners.address,
      zone: this.#config.zone,
      origin: this.#keeper.origin,
      upstreams: [...new Set(resolution.forwarder.status().map(({ upstream }) => upstream))],
    });
  }

  notReady(): string | undefined {
    if (this.#listeners === undefined) return "not started";
    if (this.#listeners.problem !== undefined) return this.#listeners.problem;
    return this.#keeper.origin === "nowhere"
      ? "the cluster's Services are not known yet"
      : undefined;
  }

  status(): Record<string, unknown> {
    const facts = (kind: FactsKind) => this.#zone.state.facts(kind).size;
    const { changedAtMs } = this.#keeper;
    const { cache, forwarder } = this.#resolution ?? {};
    return {
      address: this.#listeners?.address,
      device: this.#listeners?.device,
      problem: this.#listeners?.problem,
      zone: this.#config.zone,
      origin: this.#keeper.origin,
      changedAt: changedAtMs === undefined ? undefined : new Date(changedAtMs).toISOString(),
      services: facts("service"),
      endpointSlices: facts("endpointSlice"),
      namespaces: facts("namespace"),
      upstreams: forwarder?.status(),
      cache: cache && { entries: cache.count, sizeBytes: cache.bytes },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stack = this.#stack;
    this.#stack = new AsyncDisposableStack();
    await stack.disposeAsync();
    this.#listeners = undefined;
    this.#resolution = undefined;
  }

  #needsPods(): boolean {
    return this.#config.search || this.#config.pods === "verified";
  }

  async #follow(
    kubeconfig: string,
    kinds: readonly FactsKind[],
    nodeName: string,
    signal: AbortSignal,
  ): Promise<void> {
    const source = new ClusterSource(kubeconfig, {
      ...this.#ports,
      podNames: this.#config.endpointPodNames,
      known: (kind, key) => this.#zone.state.facts(kind).get(key),
      replaced: (kind, objects) => {
        if (kind === "pod") this.#zone.replace(kind, objects);
        else this.#keeper.replace(kind, objects as never);
        if (kind === "pod") this.#pods.replace(this.#zone.state.facts("pod"));
      },
      applied: (change) => {
        this.#keeper.apply(change);
        if (change.kind === "pod") this.#pods.replace(this.#zone.state.facts("pod"));
      },
      refused: (kind) => {
        if (kind === "namespace") this.#keeper.refuseNamespaces();
      },
    });
    await source.run(kinds, nodeName, signal);
    source[Symbol.dispose]();
  }

  /** Says who is asked from now on: those of the config, or those that the host asks. */
  #ask(host: Resolvers): void {
    const { upstreams, resolvConf, stubDomains } = this.#config.forward;
    this.#host = host;
    if (upstreams.length + host.nameservers.length === 0) {
      this.#ports.logger.warn(
        "nobody is asked for names of the world: set dns.forward.upstreams, as no file names a server to ask",
        { files: [resolvConf, ...BEHIND_THE_STUB], leftOut: host.leftOut },
      );
    }
    this.#resolution?.forwarder.configure({
      upstreams: upstreams.length > 0
        ? upstreams
        : host.nameservers.map((hostname) => ({ hostname, port: DNS_PORT })),
      stubs: stubDomains.map(({ zone, upstreams }) => ({
        zone: nameKey(parseName(zone)),
        upstreams,
      })),
    });
  }
}
