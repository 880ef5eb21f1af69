import { Counter, Gauge, type Registry } from "prom-client";

/** What the store counts. */
export interface StoreMetrics {
  failures: Counter;
  setAside: Counter;
  /** Rows that were sealed with another key. */
  unreadable: Counter;
  evicted: Counter<"what">;
  cloudChanges: Counter<"verdict">;
}

/** Registers the store's metrics. @param usedBytes room taken in the file, asked at each scrape */
export function createStoreMetrics(registry: Registry, usedBytes: () => number): StoreMetrics {
  const registers = [registry];
  new Gauge({
    name: "edge_agent_proxy_store_used_bytes",
    help: "Room that objects and answers take in state.db.",
    registers,
    collect() {
      this.set(usedBytes());
    },
  });
  return {
    failures: new Counter({
      name: "edge_agent_proxy_store_failures_total",
      help: "Times that state.db began to refuse writes, or could not be opened.",
      registers,
    }),
    setAside: new Counter({
      name: "edge_agent_proxy_store_set_aside_total",
      help: "State files that were set aside, being damaged or of another cluster.",
      registers,
    }),
    unreadable: new Counter({
      name: "edge_agent_proxy_store_unreadable_total",
      help: "Stored rows that were sealed with another key.",
      registers,
    }),
    evicted: new Counter({
      name: "edge_agent_proxy_store_evicted_total",
      help: "Scopes and answers that were forgotten to make room.",
      labelNames: ["what"],
      registers,
    }),
    cloudChanges: new Counter({
      name: "edge_agent_proxy_cloud_changes_total",
      help:
        "Times that the cloud was found restored from a backup, or replaced by another cluster.",
      labelNames: ["verdict"],
      registers,
    }),
  };
}
