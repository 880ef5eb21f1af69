import type { Logger } from "@logtape/logtape";
import type { ProxyMetrics } from "../metrics.ts";
import type { LinkState } from "./link_state.ts";
import type { ChosenServer, Servers } from "./servers.ts";

const STATES = ["up", "suspect", "down", "rejected"] as const;

/** Shows every state of the link as a metric, and tells of those that matter in the log. */
export function observeServers(
  servers: Servers<ChosenServer>,
  metrics: Pick<ProxyMetrics, "linkState" | "linkLost" | "failovers">,
  logger: Logger,
): void {
  let known = servers.state.state;
  const show = () => {
    for (const state of STATES) {
      metrics.linkState.set({ state }, state === servers.state.state ? 1 : 0);
    }
  };
  show();
  servers.subscribe((state) => {
    show();
    // A suspicion that a probe clears is not news.
    if (state.state === "suspect" || state.state === known) return;
    known = state.state;
    const { url } = servers.current;
    if (state.state === "up") {
      logger.info("the link is up", { server: url, roundTripMs: servers.roundTripMs });
    } else {
      metrics.linkLost.inc();
      logger.warn("the link is lost", { state: state.state, cause: state.cause });
    }
  });
  servers.onMove(({ from, to, why }) => {
    metrics.failovers.inc({ why });
    if (why === "failed") {
      const left = servers.all.find(({ url }) => url === from)!.link.state;
      logger.warn("failed over to another server", { from, to, cause: causeOf(left) });
    } else logger.info("moved to a nearer server", { from, to });
  });
}

function causeOf(state: LinkState): string {
  return "cause" in state ? state.cause : state.state;
}
