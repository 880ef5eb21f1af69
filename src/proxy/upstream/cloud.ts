import type { Logger } from "@logtape/logtape";
import type { Clock } from "../../kernel/clock.ts";
import type { Fs } from "../../platform/fs.ts";
import type { ProxyConfig } from "../config.ts";
import type { Caller } from "../identity/identity.ts";
import { learnServers, recallServers } from "../link/learned.ts";
import { observeServers } from "../link/link_log.ts";
import { Servers } from "../link/servers.ts";
import type { ProxyMetrics } from "../metrics.ts";
import type { KeptAnswers } from "../store/kept.ts";
import { CloudServer } from "./cloud_server.ts";
import { ANONYMOUS, type Credential } from "./credentials.ts";
import type { Forwarder } from "./forward.ts";
import { Upstream } from "./upstream.ts";
import { resolveServers } from "./upstream_server.ts";

/** What the cloud is reached with. */
export interface CloudPorts {
  fs: Fs;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics: ProxyMetrics;
}

/** The cloud: its servers as one link, and the way to send to them. A relay would be one more server. */
export class Cloud implements Disposable {
  readonly servers: Servers<CloudServer>;
  readonly upstream: Upstream;
  readonly #config: ProxyConfig["upstream"];
  readonly #ports: CloudPorts;
  readonly #ca: () => Promise<string | undefined>;
  #probeAs: () => Promise<Credential> = () => Promise.resolve(ANONYMOUS);

  private constructor(
    config: ProxyConfig["upstream"],
    ports: CloudPorts,
    ca: () => Promise<string | undefined>,
    toServers: (cloud: Cloud) => [CloudServer, ...CloudServer[]],
  ) {
    this.#config = config;
    this.#ports = ports;
    this.#ca = ca;
    this.servers = new Servers(ports.clock, ports.random, toServers(this));
    this.upstream = new Upstream(this.servers, ports.clock);
    observeServers(this.servers, ports.metrics, ports.logger);
  }

  /** @throws {UsageError} when the config does not say where the cloud is */
  static async open(config: ProxyConfig["upstream"], ports: CloudPorts): Promise<Cloud> {
    const [first, ...others] = await resolveServers(config, ports.fs);
    return new Cloud(config, ports, first.ca, (cloud) => [
      cloud.#create(first),
      ...others.map((each) => cloud.#create(each)),
    ]);
  }

  #create({ url, ca }: { url: string; ca: CloudServer["ca"] }, learned = false): CloudServer {
    const { clock, random, logger, metrics } = this.#ports;
    return new CloudServer({ url, ca }, {
      clock,
      random,
      learned,
      // Its files may not be there yet: a stranger is answered too.
      probeAs: () => this.#probeAs().catch(() => ANONYMOUS),
      isCurrent: (server) => this.servers.current === server,
      connectionLost: (server, cause) => {
        metrics.connectionsLost.inc();
        logger.info("gave up a connection that shows no sign of life", { server, cause });
      },
    });
  }

  /** Probes show this credential from now on: a kube-apiserver hangs up on strangers after each answer. */
  probeAs(credential: () => Promise<Credential>): void {
    this.#probeAs = credential;
  }

  /** Takes up the servers that were learned before, and learns as long as `signal` is not aborted. */
  async learn(
    options: { caller: Caller; forwarder: Forwarder; kept: KeptAnswers; anew(): AbortSignal },
    signal: AbortSignal,
  ): Promise<void> {
    const isSafe = this.servers.all.every(({ url }) => url.startsWith("https:"));
    if (!this.#config.learn || !isSafe) return;
    const learned = (url: string) => {
      if (this.servers.all.some((each) => each.url === url)) return;
      this.servers.add(this.#create({ url, ca: this.#ca }, true));
    };
    for (const url of recallServers(options.kept)) learned(url);
    const { clock } = this.#ports;
    await learnServers({ ...options, link: this.servers, clock, learned }, signal);
  }

  /** Reads the authority of all servers again; whether it is another one. @throws when it can't be read */
  async renewAuthority(): Promise<boolean> {
    const renewed = await Promise.all(this.servers.all.map((server) => server.renewAuthority()));
    return renewed.includes(true);
  }

  [Symbol.dispose](): void {
    for (const server of this.servers.all) server[Symbol.dispose]();
  }
}
