import type { Registry } from "prom-client";
import { errorMessage, UsageError } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import type { ProxyConfig } from "./config.ts";
import type { LinkState } from "./link/link_state.ts";
import { createProxyMetrics, type ProxyMetrics } from "./metrics.ts";
import { createServerMetrics } from "./link/server_metrics.ts";
import { proxyStatus } from "./proxy_status.ts";
import { type RunningProxy, type ServingPorts, startProxy } from "./start_proxy.ts";

/** What the proxy needs from the outside. */
export interface ProxyPorts extends Omit<ServingPorts, "metrics"> {
  /** Where its metrics are registered, once. */
  registry: Registry;
}

/** The running lite-apiserver. */
export interface Proxy extends Module {
  /** `https://host:port` of the TLS listener; only after `start`. */
  readonly url: string;
  /** Whether the cloud can be reached; undefined while the proxy is not started. */
  readonly link: LinkState | undefined;
  /** Calls `listener` after the link's state changed; the result ends it. */
  subscribeLink(listener: () => void): () => void;
}

/** Constructs the proxy; nothing is opened before `start`. */
export function createProxy(config: ProxyConfig, ports: ProxyPorts): Proxy {
  return new LiteApiserver(config, ports);
}

class LiteApiserver implements Proxy {
  readonly name = "proxy";
  readonly #ports: ProxyPorts;
  readonly #metrics: ProxyMetrics;
  readonly #linkListeners = new Set<() => void>();
  #config: ProxyConfig;
  #running: RunningProxy | undefined;

  constructor(config: ProxyConfig, ports: ProxyPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#metrics = createProxyMetrics(
      ports.registry,
      () => this.#running?.scopes.size ?? 0,
      () => this.#running?.store.usage.usedBytes ?? 0,
    );
    createServerMetrics(ports.registry, () => this.#running?.uplink.servers);
  }

  get url(): string {
    return this.#running?.url ?? "";
  }

  get link(): LinkState | undefined {
    return this.#running?.uplink.servers.state;
  }

  subscribeLink(listener: () => void): () => void {
    this.#linkListeners.add(listener);
    return () => void this.#linkListeners.delete(listener);
  }

  async start(): Promise<void> {
    this.#running = await startProxy(this.#config, { ...this.#ports, metrics: this.#metrics });
    const tell = () => this.#linkListeners.forEach((listener) => listener());
    // It ends with what it listens to.
    this.#running.uplink.servers.subscribe(tell);
    tell();
  }

  /**
   * Serves with a new config from now on. Clients reconnect; what is known stays, for it is on disk.
   *
   * @throws {UsageError} when the new config can't be served with: the old one is, again
   */
  async reload(section: unknown): Promise<void> {
    const before = this.#config;
    await this[Symbol.asyncDispose]();
    try {
      this.#config = section as ProxyConfig;
      await this.start();
    } catch (error) {
      this.#config = before;
      await this.start();
      throw new UsageError(`Cannot serve with the new configuration: ${errorMessage(error)}`);
    }
  }

  notReady(): string | undefined {
    if (this.#running === undefined) return "not started";
    if (this.#running.store.failing) return "state.db can not be written: changes stay in memory";
    return undefined;
  }

  status(): Record<string, unknown> {
    return this.#running === undefined ? { state: "not started" } : proxyStatus(this.#running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.[Symbol.asyncDispose]();
  }
}
