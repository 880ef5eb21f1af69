import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Fs } from "../platform/fs.ts";
import { dial } from "../platform/dial.ts";
import type { ConnectionHandler } from "../platform/http_front.ts";
import { serveHttpFront, serveHttps } from "../platform/https_server.ts";
import { createProxyApp, type ProxyAppOptions } from "./app.ts";
import { Announcement } from "./announcement.ts";
import { createCloudIdentity } from "./cloud_changes.ts";
import { createScopes } from "./create_scopes.ts";
import type { ProxyConfig } from "./config.ts";
import { Filters } from "./filters/filters.ts";
import type { Journal } from "./journal/journal.ts";
import { startJournal } from "./journal/start_journal.ts";
import { Forwarder } from "./upstream/forward.ts";
import type { Identities } from "./identity/identity.ts";
import { ListenerFiles } from "./identity/listener_files.ts";
import { loadIdentities } from "./identity/load_identities.ts";
import { startRotations } from "./identity/start_rotations.ts";
import { KeptAnswers } from "./store/kept.ts";
import { LastAlive, lastWritten } from "./link/last_alive.ts";
import type { LaneContext } from "./lanes/lane_context.ts";
import { servedHosts, serverUrl, writeKubeconfigs } from "./identity/local_clients.ts";
import type { ProxyMetrics } from "./metrics.ts";
import { OfflineMarks } from "./lanes/offline.ts";
import { refuseBrowsers } from "./plain_guard.ts";
import { prefetch } from "./prefetch.ts";
import { createIdleScopes } from "./hub/idle_scopes.ts";
import { dropLost } from "./hub/new_history.ts";
import type { Scopes } from "./hub/scopes.ts";
import { SeenVersions } from "./lanes/seen_versions.ts";
import { openStore } from "./store/open_store.ts";
import type { StateStore } from "./store/state_store.ts";
import { Renewals } from "./upstream/renewals.ts";
import { Cloud } from "./upstream/cloud.ts";
import { Upgrader } from "./upstream/upgrader.ts";

/** What a proxy works with once it serves. */
export interface ServingPorts {
  clock: Clock;
  fs: Fs;
  logger: Logger;
  /** Directory (0700) for state.db, pki/, tokens/ and kubeconfigs/. */
  stateDir: string;
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
  metrics: ProxyMetrics;
  /** `$CREDENTIALS_DIRECTORY`, if systemd passed one. */
  credentialsDir?: string;
}

/** A proxy that serves. Disposing stops it. */
export interface RunningProxy extends AsyncDisposable {
  /** `https://host:port` of the TLS listener. */
  readonly url: string;
  /** `http://host:port` of the plain listener, if there is one. */
  readonly plainUrl: string | undefined;
  /** Its servers, and the way to them. */
  readonly uplink: Cloud;
  readonly store: StateStore;
  readonly scopes: Scopes;
  readonly journal: Journal;
  readonly identities: Identities;
}

/** Puts the parts together and serves. What fails is undone. */
export async function startProxy(config: ProxyConfig, ports: ServingPorts): Promise<RunningProxy> {
  const { fs, clock, stateDir, random, logger, metrics } = ports;
  const { listen, plain, upstream: upstreamConfig } = config;
  // Disposed in reverse: what is registered last is stopped first.
  await using stack = new AsyncDisposableStack();
  const uplink = stack.use(await Cloud.open(upstreamConfig, ports));
  const { servers: link, upstream } = uplink;
  await fs.mkdir(stateDir, 0o700);
  const listenerFiles = new ListenerFiles({
    fs,
    stateDir,
    now: () => clock.now(),
    hosts: servedHosts(listen.hostname),
    clientCaFile: config.clientCA,
  });
  const texts = await listenerFiles.load();
  const writtenAtMs = await lastWritten(fs, stateDir);
  const store = stack.use(await openStore(config.store, ports, metrics.store));
  const stop = new AbortController();
  const kept = new KeptAnswers(store, clock);
  const renewals = new Renewals();
  const { identities, tokens } = await loadIdentities(config, {
    ...{ fs, clock, stateDir, kept, link, upstream, renewals, signal: stop.signal },
  });
  const lastAlive = stack.use(new LastAlive(link, kept, writtenAtMs));
  const seen = new SeenVersions();
  const anew = new Announcement();
  const cloud = createCloudIdentity(
    {
      ...{ link, upstream, identities, kept, store, seen },
      scopes: () => scopes,
      renewed: () => {
        journal.abandon();
        identities.forgetTokens();
        anew.make();
      },
    },
    config,
    ports,
  );
  // Another server may be back from an older backup than the one that was used.
  link.onMove(() => cloud.doubt());
  const scopes: Scopes = createScopes(
    { store, link, kept, upstream, identities, renewals, cloud },
    config,
    ports,
    stop.signal,
  );
  stack.defer(() => scopes.ended());
  store.replaced = () => dropLost(scopes, store);
  const idle = createIdleScopes({ scopes, store, link }, config.store, ports);
  const { journal, knownEvents, replay } = startJournal(
    { kept, link, upstream, identities, cloud },
    config,
    ports,
  );
  const context: LaneContext = {
    clock,
    link,
    forwarder: new Forwarder(upstream, identities, link),
    upgrader: new Upgrader(() => upstream.server, identities, dial),
    identities,
    scopes,
    kept,
    journal,
    knownEvents,
    reviewGraceMs: config.reviewGrace,
    seen,
    cloud,
    marks: new OfflineMarks(link, clock, lastAlive),
    metrics,
    random,
    stop: stop.signal,
  };

  const filters = new Filters(config, { kept, changed: metrics.filtered });
  const handlerFor = (callerOf: ProxyAppOptions["callerOf"]): ConnectionHandler => {
    const app = createProxyApp(context, { callerOf, filters, logger });
    return (request, connection) => app.fetch(request, { connection });
  };
  const handler = handlerFor((headers, peer) => identities.callerOf(headers, peer));
  const tls = stack.use(await serveHttps({ ...listen, tls: texts }, handler));
  let plainUrl: string | undefined;
  if (plain !== undefined) {
    const caller = identities.named(plain.identity);
    const handler = handlerFor(() => Promise.resolve(caller));
    const guarded: ConnectionHandler = (request, connection) =>
      refuseBrowsers(request) ?? handler(request, connection);
    const { port } = stack.use(await serveHttpFront(plain.listen, guarded));
    plainUrl = `http://${plain.listen.hostname}:${port}`;
  }
  const url = serverUrl(listen.hostname, tls.port);
  const { ca } = listenerFiles;
  const writeAllKubeconfigs = () => writeKubeconfigs({ url, ca }, tokens.all, { fs, stateDir });
  await writeAllKubeconfigs().catch((error) => {
    // Those from before may do; the node's API must be there in any case.
    logger.error("cannot write the kubeconfigs", { error: errorMessage(error) });
  });
  for (const { name, error } of await identities.unusable()) {
    // The files may still come (a first boot): worth a warning, not an end.
    const message = "cannot speak for an identity yet: its credential can not be read";
    logger.warn(message, { identity: name, error });
  }

  const background = Promise.all([
    cloud.run(stop.signal),
    idle.run(stop.signal),
    replay.run(stop.signal),
    startPrefetch(context, config, logger, anew),
    startRotations(
      {
        ...{ identities, tokens, uplink, renewals, listenerFiles, listener: tls },
        credentialRenewed: () => {
          // What nobody could ask before can be asked now.
          cloud.doubt();
          anew.make();
        },
        writeKubeconfigs: writeAllKubeconfigs,
      },
      ports,
      stop.signal,
    ),
    startLearning(uplink, context, config, anew),
    link.run(stop.signal),
  ]);
  stack.defer(async () => void await background);
  stack.defer(() => stop.abort());
  logger.info("serving the API", { url, server: link.current.url, scopes: store.scopes().length });
  const held = stack.move();
  return {
    url,
    plainUrl,
    uplink,
    store,
    scopes,
    journal,
    identities,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Speaks for the first identity: discovery is the same for all. */
function startPrefetch(
  context: LaneContext,
  config: ProxyConfig,
  logger: Logger,
  anew: Announcement,
): Promise<void> {
  const { identities, forwarder, kept, link, clock, stop } = context;
  const [first] = config.identities;
  if (first === undefined) return Promise.resolve();
  return prefetch({
    extent: config.prefetch,
    caller: identities.named(first.name),
    forwarder,
    kept,
    link,
    clock,
    anew: () => anew.signal,
    fetched: (documents) => logger.info("prefetched API discovery", { documents }),
    failed: (error) => logger.warn("cannot prefetch API discovery", { error }),
  }, stop);
}

/** The first identity speaks for the agent itself: it probes, and learns what it may. */
function startLearning(
  uplink: Cloud,
  context: LaneContext,
  config: ProxyConfig,
  anew: Announcement,
): Promise<void> {
  const { identities, forwarder, kept, stop } = context;
  const [first] = config.identities;
  if (first === undefined) return Promise.resolve();
  const caller = identities.named(first.name);
  uplink.probeAs(() => identities.credential(caller));
  return uplink.learn({ caller, forwarder, kept, anew: () => anew.signal }, stop);
}
