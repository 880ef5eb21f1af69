import type { Handled, Handler, Next } from "./chain.ts";
import { CLASS_IN } from "./wire/record_type.ts";
import { followChase, type ResolveTarget } from "./zone/chase.ts";
import type { ClusterZone } from "./zone/cluster_zone.ts";

/**
 * Answers what is the cluster's own; what is not goes on.
 *
 * @param createResolver how names that a Service leads to, but that are not the zone's, are found behind it
 */
export function createClusterHandler(
  zone: ClusterZone,
  createResolver: (next: Next) => ResolveTarget,
): Handler {
  return {
    name: "cluster",
    handle(request, next) {
      const { name, type } = request.query;
      if (request.query.class !== CLASS_IN) return next(request);
      const said = zone.answer(name, type);
      switch (said.state) {
        case "answered":
          return { answer: said.answer, source: "cluster", why: said.why };
        case "elsewhere":
          return next(request);
        case "chase":
          return followChase(said.chase, createResolver(next)).then((answer): Handled => ({
            answer,
            source: "cluster",
            why: said.why,
          }));
        default:
          return said satisfies never;
      }
    },
  };
}
