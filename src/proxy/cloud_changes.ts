import { toAnswer } from "../kube/answer.ts";
import type { ProxyConfig } from "./config.ts";
import { goBack, knownVersions, startOver } from "./hub/new_history.ts";
import type { Scopes } from "./hub/scopes.ts";
import type { Identities } from "./identity/identity.ts";
import type { SeenVersions } from "./lanes/seen_versions.ts";
import { type AskCloud, CloudIdentity } from "./link/cloud_identity.ts";
import type { CloudLink } from "./link/cloud_link.ts";
import type { ServingPorts } from "./start_proxy.ts";
import type { KeptAnswers } from "./store/kept.ts";
import type { StateStore } from "./store/state_store.ts";
import type { Upstream } from "./upstream/upstream.ts";

/** What is touched when the cloud is not the one that it was. */
export interface CloudChangesOptions {
  link: CloudLink;
  upstream: Upstream;
  identities: Identities;
  kept: KeptAnswers;
  store: StateStore;
  seen: SeenVersions;
  /** The scopes, once there are any. */
  scopes(): Scopes;
  /** The store begins empty: whatever else was kept of the former cloud must go too. */
  renewed(): void;
}

/** The check of who the cloud is, made with the identities in their order, and its consequences. */
export function createCloudIdentity(
  options: CloudChangesOptions,
  config: Pick<ProxyConfig, "identities">,
  ports: Pick<ServingPorts, "clock" | "random" | "logger" | "metrics">,
): CloudIdentity {
  const { link, upstream, identities, kept, store, seen, scopes, renewed } = options;
  const { clock, random, logger, metrics } = ports;
  const askAs = (caller: string): AskCloud => async (path, signal) => {
    const headers = new Headers({ accept: "application/json", "user-agent": "edge-agent" });
    const credential = await identities.credentialOf(caller).catch(() => undefined);
    if (credential === undefined) return undefined;
    const request = {
      method: "GET",
      pathAndQuery: path,
      headers,
      purpose: "short",
      signal,
    } as const;
    const response = await upstream.send(credential, request);
    const { status, body } = await toAnswer(response, signal);
    if (status === 200) return body;
    // It may not ask, or there is nothing to be asked for. (A middlebox says something else.)
    if (status === 401 || status === 403 || status === 404) return undefined;
    throw new Error(`GET ${path} was answered ${status}`);
  };
  return new CloudIdentity({
    link,
    clock,
    random,
    kept,
    ask: config.identities.map(({ name }) => askAs(`identity:${name}`)),
    versions: () => knownVersions(scopes()),
    failed: (error) => logger.warn("cannot tell whether the cloud is the same", { error }),
    changed(verdict, found, forgottenTo) {
      metrics.store.cloudChanges.inc({ verdict });
      seen.clear();
      if (verdict === "replaced") {
        const message = "the cloud is another cluster: what was kept of the former is set aside";
        logger.error(message, { ...found });
        void store.renew("it is of another cluster");
        startOver(scopes(), forgottenTo);
        renewed();
      } else {
        const message = "the cloud went back to an older state: everything is listed anew";
        logger.error(message, { ...found, forgottenTo });
        kept.forgetNewer(found.resourceVersion);
        goBack(scopes(), found.resourceVersion, forgottenTo);
      }
    },
  });
}
