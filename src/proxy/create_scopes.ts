import { AgentError, errorMessage } from "../kernel/errors.ts";
import type { ProxyConfig } from "./config.ts";
import { formatScope } from "./hub/scope.ts";
import { Scopes } from "./hub/scopes.ts";
import type { Identities } from "./identity/identity.ts";
import type { CloudIdentity } from "./link/cloud_identity.ts";
import type { CloudLink } from "./link/cloud_link.ts";
import type { ServingPorts } from "./start_proxy.ts";
import type { KeptAnswers } from "./store/kept.ts";
import type { StateStore } from "./store/state_store.ts";
import { reflectorSend } from "./upstream/reflector_send.ts";
import type { Renewals } from "./upstream/renewals.ts";
import { UnreachableError, type Upstream } from "./upstream/upstream.ts";

/** The registry of scopes: how their reflectors reach the cloud, and who else must know what they learn. */
export function createScopes(
  parts: {
    store: StateStore;
    link: CloudLink;
    kept: KeptAnswers;
    upstream: Upstream;
    identities: Identities;
    renewals: Renewals;
    cloud: Pick<CloudIdentity, "verified" | "doubt" | "forgottenTo">;
  },
  config: ProxyConfig,
  ports: Pick<ServingPorts, "clock" | "random" | "logger" | "metrics">,
  signal: AbortSignal,
): Scopes {
  const { store, link, kept, upstream, identities, renewals, cloud } = parts;
  const { clock, random, logger, metrics } = ports;
  return new Scopes({
    store,
    link,
    clock,
    random,
    signal,
    limits: config.eventWindow,
    renewal: (scope) => renewals.signal(scope.caller),
    sendFor: (scope) => {
      const send = reflectorSend(scope.caller, { upstream, identities, renewals });
      return async (pathAndQuery, options) => {
        // Not before it is known to be the cloud that the state is of.
        await cloud.verified(options.signal);
        options.signal.throwIfAborted();
        return await send(pathAndQuery, options);
      };
    },
    forgottenTo: () => cloud.forgottenTo,
    deleted: (scope, key) => kept.forgetObject(scope.caller, scope, key),
    rejected: (caller) => kept.forgetCaller(caller),
    relisted: (scope, differences) => {
      metrics.relists.inc();
      logger.debug("listed", { scope: formatScope(scope), differences });
    },
    damaged: (scope, key) =>
      logger.error("a stored object is damaged: its list is fetched anew", {
        scope: formatScope(scope),
        key,
      }),
    failed: (scope, error) => {
      // A credential that the cloud does not take, or that is not there, says nothing of who it is.
      if (error instanceof UnreachableError && !error.answered) cloud.doubt();
      metrics.reflectorFailures.inc({ code: error instanceof AgentError ? error.code : "other" });
      logger.debug("cannot reflect", { scope: formatScope(scope), error: errorMessage(error) });
    },
  });
}
