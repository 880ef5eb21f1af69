import { formatGvr } from "../kube/request_info.ts";
import type { Link } from "./link/link.ts";
import type { Scopes } from "./hub/scopes.ts";
import type { Journal } from "./journal/journal.ts";

/** What `/status` shows of the proxy. */
export function proxyStatus(
  { url, plainUrl, server, link, scopes, journal }: {
    url: string;
    plainUrl: string | undefined;
    server: string;
    link: Link;
    scopes: Scopes;
    journal: Journal;
  },
): Record<string, unknown> {
  return {
    url,
    plainUrl,
    server,
    link: link.state,
    roundTripMs: link.roundTripMs,
    aliveAtMs: link.aliveAtMs,
    journal: {
      events: journal.size,
      sizeBytes: journal.sizeBytes,
      oldestAtMs: journal.oldestAtMs,
    },
    scopes: [...scopes.hubs()].map(({ hub, reflected }) => {
      const { scope, freshness, resourceVersion } = hub;
      const selector = [scope.labelSelector, scope.fieldSelector].filter((each) => each !== "");
      return {
        // A bearer's hash is no secret, but nobody reads 64 digits.
        caller: scope.caller.slice(0, 24),
        resource: formatGvr(scope),
        namespace: scope.namespace,
        selector: selector.join(" "),
        representation: scope.representation,
        state: freshness,
        mirrored: reflected,
        resourceVersion,
      };
    }),
  };
}
