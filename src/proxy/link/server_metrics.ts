import { Gauge, type Registry } from "prom-client";
import type { ChosenServer } from "./servers.ts";

/** Registers what is shown of each server, asked at each scrape. */
export function createServerMetrics(
  registry: Registry,
  servers: () => { all: readonly ChosenServer[]; current: ChosenServer } | undefined,
): void {
  const registers = [registry];
  new Gauge({
    name: "edge_agent_proxy_server_state_info",
    help: "1 for the state that each API server is in; `current` tells where requests go.",
    labelNames: ["server", "state", "current"],
    registers,
    collect() {
      this.reset();
      const known = servers();
      for (const server of known?.all ?? []) {
        const current = String(server === known?.current);
        this.set({ server: server.url, state: server.link.state.state, current }, 1);
      }
    },
  });
  new Gauge({
    name: "edge_agent_proxy_server_round_trip_seconds",
    help: "Smoothed round-trip time to each API server.",
    labelNames: ["server"],
    registers,
    collect() {
      this.reset();
      for (const { url, link } of servers()?.all ?? []) {
        if (link.roundTripMs !== undefined) this.set({ server: url }, link.roundTripMs / 1_000);
      }
    },
  });
}
