import { Counter, Gauge, type Registry } from "prom-client";
import { createStoreMetrics, type StoreMetrics } from "./store/store_metrics.ts";

/** Where an answer came from. `journal`: a write that waits for the cloud; `unknown`: nobody could answer. */
export type Source = "cloud" | "hub" | "cache" | "journal" | "unknown";

/** What the proxy counts. */
export interface ProxyMetrics {
  answered(lane: string, source: Source): void;
  watchers: Gauge;
  watchesEnded: Counter<"reason">;
  tunnels: Gauge;
  tunnelsEnded: Counter<"side">;
  stuckClients: Counter;
  relists: Counter;
  reflectorFailures: Counter<"code">;
  linkState: Gauge<"state">;
  linkLost: Counter;
  failovers: Counter<"why">;
  connectionsLost: Counter;
  journaled: Gauge;
  journalDelivered: Counter;
  journalDropped: Counter<"reason">;
  rotations: Counter;
  filtered: Counter<"filter">;
  credentialExpiry: Gauge<"identity">;
  store: StoreMetrics;
}

/**
 * Registers the proxy's metrics.
 *
 * @param scopes how many scopes are known, asked at each scrape
 * @param usedBytes room taken in the store, asked at each scrape
 */
export function createProxyMetrics(
  registry: Registry,
  scopes: () => number,
  usedBytes: () => number,
): ProxyMetrics {
  const registers = [registry];
  new Gauge({
    name: "edge_agent_proxy_scopes_count",
    help: "Collections that are known.",
    registers,
    collect() {
      this.set(scopes());
    },
  });
  const requests = new Counter({
    name: "edge_agent_proxy_requests_total",
    help: "Requests by lane and by where the answer came from.",
    labelNames: ["lane", "source"],
    registers,
  });
  return {
    answered: (lane, source) => requests.inc({ lane, source }),
    watchers: new Gauge({
      name: "edge_agent_proxy_watchers_count",
      help: "Open watches of local clients.",
      registers,
    }),
    watchesEnded: new Counter({
      name: "edge_agent_proxy_watches_ended_total",
      help: "Ended watches of local clients by reason.",
      labelNames: ["reason"],
      registers,
    }),
    tunnels: new Gauge({
      name: "edge_agent_proxy_tunnels_count",
      help: "Open connections of exec, attach, port-forward and WebSocket clients.",
      registers,
    }),
    tunnelsEnded: new Counter({
      name: "edge_agent_proxy_tunnels_ended_total",
      help:
        "Ended connections of exec, attach, port-forward by who ended them: client, cloud, agent.",
      labelNames: ["side"],
      registers,
    }),
    stuckClients: new Counter({
      name: "edge_agent_proxy_stuck_clients_total",
      help: "Lists and watches that were cut because their client did not read.",
      registers,
    }),
    relists: new Counter({
      name: "edge_agent_proxy_relists_total",
      help: "Whole lists taken from the API server.",
      registers,
    }),
    reflectorFailures: new Counter({
      name: "edge_agent_proxy_reflector_failures_total",
      help: "Failed tries to list or watch at the API server by code.",
      labelNames: ["code"],
      registers,
    }),
    linkState: new Gauge({
      name: "edge_agent_proxy_link_state_info",
      help: "1 for the state that the link to the API server is in.",
      labelNames: ["state"],
      registers,
    }),
    linkLost: new Counter({
      name: "edge_agent_proxy_link_lost_total",
      help: "Times that no API server could be reached any more.",
      registers,
    }),
    failovers: new Counter({
      name: "edge_agent_proxy_failovers_total",
      help: "Moves to another API server: the former one failed, or was farther away.",
      labelNames: ["why"],
      registers,
    }),
    connectionsLost: new Counter({
      name: "edge_agent_proxy_connections_lost_total",
      help: "Connections given up because nothing came on them, while the link may have lived.",
      registers,
    }),
    journaled: new Gauge({
      name: "edge_agent_proxy_journal_entries_count",
      help: "Events that wait for the API server.",
      registers,
    }),
    journalDelivered: new Counter({
      name: "edge_agent_proxy_journal_delivered_total",
      help: "Journaled Events that reached the API server.",
      registers,
    }),
    journalDropped: new Counter({
      name: "edge_agent_proxy_journal_dropped_total",
      help: "Journaled Events that were given up by reason.",
      labelNames: ["reason"],
      registers,
    }),
    rotations: new Counter({
      name: "edge_agent_proxy_rotations_total",
      help: "Replaced credentials, certificates and authorities that were taken up.",
      registers,
    }),
    filtered: new Counter({
      name: "edge_agent_proxy_filtered_objects_total",
      help: "Objects that were changed on their way to a client by filter.",
      labelNames: ["filter"],
      registers,
    }),
    credentialExpiry: new Gauge({
      name: "edge_agent_proxy_credential_expiry_timestamp_seconds",
      help: "When the credential of an identity ends, seconds since the Unix epoch.",
      labelNames: ["identity"],
      registers,
    }),
    store: createStoreMetrics(registry, usedBytes),
  };
}
