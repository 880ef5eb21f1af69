import type { Logger } from "@logtape/logtape";
import type { Registry } from "prom-client";
import type { Clock } from "../kernel/clock.ts";
import { AgentError, errorMessage } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import type { Fs } from "../platform/fs.ts";
import { serveHttps } from "../platform/https_server.ts";
import { serveHttp } from "../platform/net.ts";
import { createProxyApp } from "./app.ts";
import { Connections } from "./connections.ts";
import type { ProxyConfig } from "./config.ts";
import { hashToken } from "./credentials.ts";
import { Forwarder } from "./forward.ts";
import { type Caller, Identities } from "./identity.ts";
import { KeptAnswers } from "./kept.ts";
import type { LaneContext } from "./lane_context.ts";
import { Link } from "./link.ts";
import { observeLink } from "./link_log.ts";
import { servedHosts, serverUrl, writeKubeconfigs } from "./local_clients.ts";
import { createProxyMetrics, type ProxyMetrics } from "./metrics.ts";
import { OfflineMarks } from "./offline.ts";
import { prefetch } from "./prefetch.ts";
import { Prober } from "./prober.ts";
import { proxyStatus } from "./proxy_status.ts";
import { formatScope } from "./scope.ts";
import { Scopes } from "./scopes.ts";
import { SeenVersions } from "./seen_versions.ts";
import { loadServingCertificate } from "./serving_certificate.ts";
import { StateStore } from "./store/state_store.ts";
import { Upstream } from "./upstream.ts";
import { resolveServer } from "./upstream_server.ts";

/** What the proxy needs from the outside. */
export interface ProxyPorts {
  clock: Clock;
  fs: Fs;
  logger: Logger;
  registry: Registry;
  /** Directory (0700) for state.db, pki/, tokens/ and kubeconfigs/. */
  stateDir: string;
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
}

/** The running lite-apiserver. */
export interface Proxy extends Module {
  /** `https://host:port` of the TLS listener; only after `start`. */
  readonly url: string;
}

/** Constructs the proxy; nothing is opened before `start`. */
export function createProxy(config: ProxyConfig, ports: ProxyPorts): Proxy {
  return new LiteApiserver(config, ports);
}

/** The parts of a started proxy. */
interface Running {
  url: string;
  server: string;
  store: StateStore;
  link: Link;
  scopes: Scopes;
  /** Stops everything, in the right order. */
  stack: AsyncDisposableStack;
}

class LiteApiserver implements Proxy {
  readonly name = "proxy";
  readonly #config: ProxyConfig;
  readonly #ports: ProxyPorts;
  readonly #metrics: ProxyMetrics;
  #running: Running | undefined;

  constructor(config: ProxyConfig, ports: ProxyPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#metrics = createProxyMetrics(ports.registry, () => this.#running?.scopes.size ?? 0);
  }

  get url(): string {
    return this.#running?.url ?? "";
  }

  async start(signal: AbortSignal): Promise<void> {
    const { fs, clock, stateDir, random, logger } = this.#ports;
    const { listen, passthrough, plain, upstream: upstreamConfig } = this.#config;
    // Disposed in reverse: what is registered last is stopped first.
    await using stack = new AsyncDisposableStack();
    const server = await resolveServer(upstreamConfig, fs);
    await fs.mkdir(stateDir, 0o700);
    const { identities, tokens } = await Identities.load(this.#config.identities, {
      stateDir,
      passthrough,
      fs,
      clock,
      randomToken: () => hashToken(crypto.randomUUID() + crypto.randomUUID()),
    });
    const { cert, key, ca } = await loadServingCertificate(servedHosts(listen.hostname), {
      fs,
      stateDir,
    });
    const store = stack.use(await this.#openStore());
    const connections = new Connections(server);
    const prober = stack.use(new Prober(server, connections, clock));
    const link = new Link(clock, (timeoutMs, signal) => prober.probe(timeoutMs, signal), random);
    const upstream = stack.use(new Upstream(server, connections, link));
    observeLink(link, this.#metrics, logger);

    const stop = new AbortController();
    const kept = new KeptAnswers(store, clock);
    const scopes = this.#createScopes({ store, link, kept, upstream, identities }, stop.signal);
    stack.defer(() => scopes.ended());
    const context: LaneContext = {
      clock,
      link,
      forwarder: new Forwarder(upstream, identities, link),
      identities,
      scopes,
      kept,
      seen: new SeenVersions(),
      marks: new OfflineMarks(link, clock),
      metrics: this.#metrics,
      random,
      stop: stop.signal,
    };

    const handlerFor = (callerOf: (headers: Headers) => Caller) => {
      const app = createProxyApp(context, { callerOf, logger });
      return (request: Request) => app.fetch(request);
    };
    const handler = handlerFor((headers) => identities.callerOf(headers));
    const tls = stack.use(await serveHttps({ ...listen, tls: { cert, key } }, handler));
    if (plain !== undefined) {
      const caller = identities.named(plain.identity);
      stack.use(serveHttp(plain.listen, handlerFor(() => caller)));
    }
    const url = serverUrl(listen.hostname, tls.port);
    await writeKubeconfigs({ url, ca }, tokens, { fs, stateDir });
    for (const { name, error } of await identities.unusable()) {
      // The files may still come (a first boot): worth a warning, not an end.
      const message = "cannot speak for an identity yet: its credential can not be read";
      logger.warn(message, { identity: name, error });
    }

    const background = Promise.all([
      link.run(stop.signal),
      this.#prefetch(context, stop.signal),
    ]);
    stack.defer(async () => void await background);
    stack.defer(() => stop.abort());
    signal.addEventListener("abort", () => stop.abort(), { once: true });
    this.#running = { url, server: server.url, store, link, scopes, stack: stack.move() };
    logger.info("serving the API", { url, server: server.url, scopes: store.scopes().length });
  }

  #openStore(): Promise<StateStore> {
    const { fs, clock, stateDir, logger } = this.#ports;
    const path = fs.resolve(`${stateDir}/state.db`);
    return StateStore.open(path, clock, {
      setAside: (aside, reason) => {
        this.#metrics.storeSetAside.inc();
        const message = "the state file is damaged: it was set aside, the cache begins empty";
        logger.error(message, { path, aside, reason });
      },
      writeFailed: (error) => {
        this.#metrics.storeFailures.inc();
        logger.error("cannot write the state file: changes stay in memory", { path, error });
      },
      writeRecovered: () => logger.info("the state file is written again", { path }),
    });
  }

  #createScopes(
    parts: {
      store: StateStore;
      link: Link;
      kept: KeptAnswers;
      upstream: Upstream;
      identities: Identities;
    },
    signal: AbortSignal,
  ): Scopes {
    const { store, link, kept, upstream, identities } = parts;
    const { clock, random, logger } = this.#ports;
    const metrics = this.#metrics;
    return new Scopes({
      store,
      link,
      clock,
      random,
      signal,
      limits: this.#config.eventWindow,
      sendFor: (scope) => async (pathAndQuery, { accept, purpose, signal }) => {
        const headers = new Headers({ accept, "user-agent": "edge-agent" });
        const credential = await identities.credentialOf(scope.caller);
        const request = { method: "GET", pathAndQuery, headers, purpose, signal };
        return await upstream.send(credential, request);
      },
      deleted: (scope, key) => kept.forgetObject(scope.caller, scope, key),
      relisted: (scope, differences) => {
        metrics.relists.inc();
        logger.debug("listed", { scope: formatScope(scope), differences });
      },
      damaged: (scope, key) =>
        logger.error("a stored object is damaged: its list is fetched anew", {
          scope: formatScope(scope),
          key,
        }),
      failed: (scope, error) => {
        metrics.reflectorFailures.inc({ code: error instanceof AgentError ? error.code : "other" });
        logger.debug("cannot reflect", { scope: formatScope(scope), error: errorMessage(error) });
      },
    });
  }

  #prefetch({ identities, forwarder, kept, link, clock }: LaneContext, signal: AbortSignal) {
    const [first] = this.#config.identities;
    if (first === undefined) return Promise.resolve();
    const { logger } = this.#ports;
    return prefetch({
      extent: this.#config.prefetch,
      caller: identities.named(first.name),
      forwarder,
      kept,
      link,
      clock,
      fetched: (documents) => logger.info("prefetched API discovery", { documents }),
      failed: (error) => logger.warn("cannot prefetch API discovery", { error }),
    }, signal);
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
    await running?.stack.disposeAsync();
  }
}
