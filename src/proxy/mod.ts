import type { Logger } from "@logtape/logtape";
import type { Registry } from "prom-client";
import type { Clock } from "../kernel/clock.ts";
import { AgentError, errorMessage, UsageError } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import { formatKubeconfig, parseKubeconfig } from "../kube/kubeconfig.ts";
import type { Send } from "../kube/reflector.ts";
import type { Fs } from "../platform/fs.ts";
import { type HttpServer, serveHttp } from "../platform/net.ts";
import { createProxyApp } from "./app.ts";
import type { ProxyConfig } from "./config.ts";
import { hashToken } from "./credentials.ts";
import { Forwarder } from "./forward.ts";
import { Identities } from "./identity.ts";
import { KeptAnswers, objectAnswerKey } from "./kept.ts";
import type { LaneContext } from "./lane_context.ts";
import { Link } from "./link.ts";
import { createProxyMetrics, type ProxyMetrics } from "./metrics.ts";
import { OfflineMarks } from "./offline.ts";
import { prefetch } from "./prefetch.ts";
import { formatScope, type Scope } from "./scope.ts";
import { Scopes } from "./scopes.ts";
import { SeenVersions } from "./seen_versions.ts";
import { loadServingCertificate } from "./serving_certificate.ts";
import { StateStore } from "./store/state_store.ts";
import { Upstream, type UpstreamServer } from "./upstream.ts";

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
  stop: AbortController;
  servers: HttpServer[];
  store: StateStore;
  upstream: Upstream;
  link: Link;
  scopes: Scopes;
  /** Ends when everything in the background has. */
  background: Promise<unknown>;
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
    this.#metrics = createProxyMetrics(ports.registry);
  }

  get url(): string {
    return this.#running?.url ?? "";
  }

  async start(signal: AbortSignal): Promise<void> {
    const { fs, clock, stateDir, random, logger } = this.#ports;
    const { listen, identities: identityConfigs, passthrough, plain, prefetch: extent } =
      this.#config;
    const server = await resolveServer(this.#config, fs);
    await using undo = new AsyncDisposableStack();
    await fs.mkdir(stateDir, 0o700);
    const { identities, tokens } = await Identities.load(identityConfigs, {
      stateDir,
      passthrough,
      fs,
      clock,
      randomToken: () => hashToken(crypto.randomUUID() + crypto.randomUUID()),
    });
    const store = undo.use(await this.#openStore());
    const stop = new AbortController();
    undo.defer(() => stop.abort());
    signal.addEventListener("abort", () => stop.abort(), { once: true });

    // The link asks through the upstream, which tells the link what it sees.
    const link: Link = new Link(
      clock,
      (timeoutMs, signal) => upstream.probe(timeoutMs, signal, () => clock.monotonic()),
      random,
    );
    const upstream: Upstream = undo.use(new Upstream(server, link));
    this.#observe(link);
    const kept = new KeptAnswers(store, clock);
    const scopes = this.#createScopes(store, link, kept, upstream, identities, stop.signal);
    const forwarder = new Forwarder(upstream, identities, link);
    const context: LaneContext = {
      clock,
      link,
      forwarder,
      identities,
      scopes,
      kept,
      seen: new SeenVersions(),
      marks: new OfflineMarks(link, clock),
      metrics: this.#metrics,
      random,
      stop: stop.signal,
    };

    const certificate = await loadServingCertificate(servedHosts(listen.hostname), {
      fs,
      stateDir,
    });
    const failed = ({ method, path }: { method: string; path: string }, error: unknown) =>
      logger.error("request failed", { method, path, error: errorMessage(error) });
    const app = createProxyApp(context, {
      callerOf: (headers) => identities.callerOf(headers),
      failed,
    });
    const tls = { cert: certificate.cert, key: certificate.key };
    const servers = [undo.use(serveHttp({ ...listen, tls }, (request) => app.fetch(request)))];
    if (plain !== undefined) {
      const caller = identities.named(plain.identity);
      const plainApp = createProxyApp(context, { callerOf: () => caller, failed });
      servers.push(undo.use(serveHttp(plain.listen, (request) => plainApp.fetch(request))));
    }
    const url = `https://${bracket(listen.hostname)}:${servers[0]!.port}`;
    await this.#writeKubeconfigs(url, certificate.ca, tokens);

    const first = identityConfigs[0];
    const background = Promise.all([
      link.run(stop.signal),
      first && prefetch({
        extent,
        caller: identities.named(first.name),
        forwarder,
        kept,
        link,
        clock,
        fetched: (documents) => logger.info("prefetched API discovery", { documents }),
        failed: (error) => logger.warn("cannot prefetch API discovery", { error }),
      }, stop.signal),
    ]);
    undo.move();
    this.#running = { url, stop, servers, store, upstream, link, scopes, background };
    logger.info("serving the API", { url, server: server.url, scopes: store.scopes().length });
  }

  #openStore(): Promise<StateStore> {
    const { fs, clock, stateDir, logger } = this.#ports;
    const path = fs.resolve(`${stateDir}/state.db`);
    return StateStore.open(path, clock, {
      setAside: (aside, reason) => {
        this.#metrics.storeSetAside.inc();
        logger.error("the state file is damaged: it was set aside, the cache begins empty", {
          path,
          aside,
          reason,
        });
      },
      writeFailed: (error) => {
        this.#metrics.storeFailures.inc();
        logger.error("cannot write the state file: changes stay in memory", { path, error });
      },
      writeRecovered: () => logger.info("the state file is written again", { path }),
    });
  }

  #createScopes(
    store: StateStore,
    link: Link,
    kept: KeptAnswers,
    upstream: Upstream,
    identities: Identities,
    signal: AbortSignal,
  ): Scopes {
    const { clock, random, logger } = this.#ports;
    const metrics = this.#metrics;
    const sendFor = (scope: Scope): Send => async (pathAndQuery, { accept, purpose, signal }) => {
      const headers = new Headers({ accept, "user-agent": "edge-agent" });
      const credential = await identities.credentialOf(scope.caller);
      return await upstream.send(credential, {
        method: "GET",
        pathAndQuery,
        headers,
        purpose,
        signal,
      });
    };
    return new Scopes({
      store,
      link,
      clock,
      random,
      signal,
      sendFor,
      limits: this.#config.eventWindow,
      deleted: (scope, key) => {
        for (const variant of ["object", "metadata", "table"]) {
          kept.forget(objectAnswerKey(scope.caller, scope, key, variant));
        }
      },
      relisted: (scope, differences) => {
        metrics.relists.inc();
        logger.debug("listed", { scope: formatScope(scope), differences });
      },
      failed: (scope, error) => {
        metrics.reflectorFailures.inc({ code: error instanceof AgentError ? error.code : "other" });
        logger.debug("reflector failed", { scope: formatScope(scope), error: errorMessage(error) });
      },
    });
  }

  #observe(link: Link): void {
    const { logger } = this.#ports;
    let known = link.state.state;
    const set = () => {
      for (const state of ["up", "suspect", "down", "rejected"] as const) {
        this.#metrics.linkState.set({ state }, state === link.state.state ? 1 : 0);
      }
    };
    set();
    link.subscribe((state) => {
      set();
      // A suspicion that a probe clears is not news.
      if (state.state === "suspect" || state.state === known) return;
      known = state.state;
      if (state.state === "up") logger.info("link is up", { roundTripMs: link.roundTripMs });
      else logger.warn("link is lost", { state: state.state, cause: state.cause });
    });
  }

  /** Ready-made kubeconfigs, so that a client needs one flag. */
  async #writeKubeconfigs(
    url: string,
    caPem: string,
    tokens: ReadonlyMap<string, string>,
  ): Promise<void> {
    const { fs, stateDir } = this.#ports;
    await fs.mkdir(`${stateDir}/kubeconfigs`, 0o700);
    for (const [name, token] of tokens) {
      const text = formatKubeconfig({ server: url, caPem, token, name });
      await fs.writeAtomic(`${stateDir}/kubeconfigs/${name}.kubeconfig`, text, 0o600);
    }
  }

  notReady(): string | undefined {
    const running = this.#running;
    if (running === undefined) return "not started";
    if (running.store.failing) return "state.db can not be written: changes stay in memory";
    return undefined;
  }

  status(): Record<string, unknown> {
    const running = this.#running;
    if (running === undefined) return { state: "not started" };
    const { link, scopes, url } = running;
    return {
      url,
      link: link.state,
      roundTripMs: link.roundTripMs,
      aliveAtMs: link.aliveAtMs,
      scopes: [...scopes.hubs()].map(({ hub, reflected }) => ({
        scope: `${
          hub.scope.caller.slice(0, 24)
        } ${hub.scope.group}/${hub.scope.version}/${hub.scope.resource}`,
        namespace: hub.scope.namespace,
        selector: [hub.scope.labelSelector, hub.scope.fieldSelector].filter(Boolean).join(" "),
        representation: hub.scope.representation,
        state: hub.freshness,
        mirrored: reflected,
        resourceVersion: hub.resourceVersion,
      })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.stop.abort();
    await Promise.all(running.servers.map((server) => server[Symbol.asyncDispose]()));
    await running.background;
    await running.scopes.ended();
    running.upstream[Symbol.dispose]();
    await running.store[Symbol.asyncDispose]();
  }
}

/** Names and addresses of the serving certificate. */
function servedHosts(listenHost: string): string[] {
  return [listenHost, "127.0.0.1", "::1", "localhost"];
}

function bracket(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** @throws {UsageError} when the config does not say where the cloud is */
async function resolveServer({ upstream }: ProxyConfig, fs: Fs): Promise<UpstreamServer> {
  const { kubeconfig, server, caFile } = upstream;
  if (kubeconfig === undefined) {
    if (server === undefined) {
      throw new UsageError("proxy.upstream needs kubeconfig or server");
    }
    return {
      url: server.replace(/\/+$/, ""),
      ca: async () => caFile === undefined ? undefined : await fs.readText(caFile),
    };
  }
  const load = async () => parseKubeconfig(await fs.readText(kubeconfig), kubeconfig, fs);
  const { server: fromFile } = await load();
  return {
    url: (server ?? fromFile).replace(/\/+$/, ""),
    ca: async () => caFile === undefined ? await (await load()).ca() : await fs.readText(caFile),
  };
}
