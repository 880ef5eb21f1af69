import { Counter, Gauge, type Registry } from "prom-client";

/** What the snapshot module counts. */
export interface SnapshotMetrics {
  passes: Counter;
  passesFailed: Counter;
  saved: Counter;
  operations: Counter;
  refused: Gauge;
  degraded: Gauge;
  peers: Gauge;
  takenAt: Gauge;
}

/** Registers the module's metrics. */
export function createSnapshotMetrics(registry: Registry): SnapshotMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  return {
    passes: counter(
      "edge_agent_snapshot_passes_total",
      "Times that the node's network was looked at.",
    ),
    passesFailed: counter(
      "edge_agent_snapshot_passes_failed_total",
      "Times that the node's network could not be looked at or put right.",
    ),
    saved: counter("edge_agent_snapshot_saved_total", "Snapshots written."),
    operations: counter(
      "edge_agent_snapshot_operations_total",
      "Changes made to links, neighbours, FDB and routes.",
    ),
    refused: gauge(
      "edge_agent_snapshot_refused_count",
      "Entries of the network that the kernel refuses now.",
    ),
    degraded: gauge(
      "edge_agent_snapshot_degraded_info",
      "1 while the network is not as it should be and the former snapshot is kept.",
    ),
    peers: gauge("edge_agent_snapshot_peers_count", "Nodes whose pods the snapshot can reach."),
    takenAt: gauge(
      "edge_agent_snapshot_taken_timestamp_seconds",
      "When the newest snapshot was taken, seconds since the Unix epoch.",
    ),
  };
}
