import { formatGvr } from "../kube/request_info.ts";
import type { Identities } from "./identity/identity.ts";
import type { Cloud } from "./upstream/cloud.ts";
import type { Scopes } from "./hub/scopes.ts";
import type { Journal } from "./journal/journal.ts";
import type { StateStore } from "./store/state_store.ts";

/** What `/status` shows of the proxy. */
export function proxyStatus(
  { url, plainUrl, uplink, scopes, store, journal, identities }: {
    url: string;
    plainUrl: string | undefined;
    uplink: Cloud;
    scopes: Scopes;
    journal: Journal;
    identities: Pick<Identities, "status">;
    store: StateStore;
  },
): Record<string, unknown> {
  const link = uplink.servers;
  return {
    url,
    plainUrl,
    server: link.current.url,
    link: link.state,
    roundTripMs: link.roundTripMs,
    aliveAtMs: link.aliveAtMs,
    journal: {
      events: journal.size,
      sizeBytes: journal.sizeBytes,
      oldestAtMs: journal.oldestAtMs,
    },
    identities: identities.status().map(({ expiresAtMs, ...identity }) => ({
      ...identity,
      expiresAt: expiresAtMs === undefined ? undefined : new Date(expiresAtMs).toISOString(),
    })),
    store: { ...store.usage, state: store.failing ? "not written" : "written" },
    servers: link.all.map((server) => ({
      url: server.url,
      current: server === link.current,
      learned: server.learned,
      ...server.link.state,
      roundTripMs: server.link.roundTripMs,
    })),
    scopes: scopes.hubs().map(({ hub, reflected }) => {
      const { scope, freshness, resourceVersion } = hub;
      const selector = [scope.labelSelector, scope.fieldSelector].filter((each) => each !== "");
      return {
        // A bearer's hash is no secret, but nobody reads 64 digits.
        caller: scope.caller.replace(/^(bearer:.{17}).*$/, "$1"),
        resource: formatGvr(scope),
        namespace: scope.namespace,
        selector: selector.join(" "),
        representation: scope.representation,
        encoding: scope.encoding,
        state: freshness,
        mirrored: reflected,
        resourceVersion,
      };
    }),
  };
}
