import type { Clock } from "../../kernel/clock.ts";
import type { Forwarder, ProxyRequest } from "../upstream/forward.ts";
import type { Identities } from "../identity/identity.ts";
import type { Journal } from "../journal/journal.ts";
import type { KnownEvents } from "../journal/known_events.ts";
import { type KeptAnswers, provenKey } from "../store/kept.ts";
import type { CloudIdentity } from "../link/cloud_identity.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import type { ProxyMetrics } from "../metrics.ts";
import type { OfflineMarks } from "./offline.ts";
import type { Scopes } from "../hub/scopes.ts";
import type { SeenVersions } from "./seen_versions.ts";
import type { Upgrader } from "../upstream/upgrader.ts";

/** What every lane works with. */
export interface LaneContext {
  clock: Clock;
  link: CloudLink;
  forwarder: Forwarder;
  upgrader: Upgrader;
  identities: Identities;
  scopes: Scopes;
  kept: KeptAnswers;
  journal: Journal;
  knownEvents: KnownEvents;
  /** How long a kept review is good for without the cloud, ms. */
  reviewGraceMs: number;
  seen: SeenVersions;
  cloud: Pick<CloudIdentity, "verified">;
  marks: OfflineMarks;
  metrics: ProxyMetrics;
  random: () => number;
  /** Aborts when the agent stops. */
  stop: AbortSignal;
}

/** Answers the requests of one lane. */
export type LaneHandler = (request: ProxyRequest) => Promise<Response>;

/** `GET /api/v1/pods`: how a request reads in a message. */
export function describeRequest({ method, path }: ProxyRequest): string {
  return `${method} ${path}`;
}

/**
 * Whether the caller's credential is proven: an identity's by its local token or certificate, a
 * ServiceAccount's by the cluster's keys, any other because the cloud accepted it before. Only then may anything be kept for
 * them or answered from what is kept.
 */
export function isProven({ kept }: LaneContext, { caller }: ProxyRequest): boolean {
  return caller.kind === "identity" || caller.kind === "bearer" &&
      (caller.subject !== undefined || kept.get(provenKey(caller.key)) !== undefined);
}

/** Remembers that the cloud accepted the caller's credential. */
export function prove(context: LaneContext, request: ProxyRequest, response: Response): void {
  if (request.caller.kind !== "bearer" || !response.ok || isProven(context, request)) return;
  const key = provenKey(request.caller.key);
  context.kept.keep(key, { status: 200, headers: {}, body: new Uint8Array(0) });
}
