import type { Logger } from "@logtape/logtape";
import type { Link } from "./link.ts";
import type { ProxyMetrics } from "../metrics.ts";

/** Shows every state of the link as a metric, and tells of those that matter in the log. */
export function observeLink(link: Link, metrics: ProxyMetrics, logger: Logger): void {
  let known = link.state.state;
  const show = () => {
    for (const state of ["up", "suspect", "down", "rejected"] as const) {
      metrics.linkState.set({ state }, state === link.state.state ? 1 : 0);
    }
  };
  show();
  link.subscribe((state) => {
    show();
    // A suspicion that a probe clears is not news.
    if (state.state === "suspect" || state.state === known) return;
    known = state.state;
    if (state.state === "up") logger.info("the link is up", { roundTripMs: link.roundTripMs });
    else logger.warn("the link is lost", { state: state.state, cause: state.cause });
  });
}
