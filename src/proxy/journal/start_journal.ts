import type { Logger } from "@logtape/logtape";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { readEvent } from "../../kube/event_object.ts";
import { applyMergePatch } from "../../kube/merge_patch.ts";
import { parseJson } from "../../kube/codec/json.ts";
import type { ProxyConfig } from "../config.ts";
import type { Identities } from "../identity/identity.ts";
import type { CloudIdentity } from "../link/cloud_identity.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import type { ProxyMetrics } from "../metrics.ts";
import type { KeptAnswers } from "../store/kept.ts";
import type { Credential } from "../upstream/credentials.ts";
import { fromCloud, readable } from "../upstream/forward.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Journal } from "./journal.ts";
import type { JournalEntry } from "./journal_entry.ts";
import { KnownEvents } from "./known_events.ts";
import { Replay, UnknownSenderError } from "./replay.ts";

/** Of the answer only the status is read: the less of it, the better. */
const SHORT_ANSWER =
  "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/** Opens the journal that the last process left, and prepares to send what is in it. */
export function startJournal(
  { kept, link, upstream, identities, cloud }: {
    kept: KeptAnswers;
    link: CloudLink;
    upstream: Upstream;
    identities: Identities;
    cloud: Pick<CloudIdentity, "verified" | "replacements">;
  },
  config: Pick<ProxyConfig, "journal" | "identities">,
  { clock, random, metrics, logger }: {
    clock: Clock;
    random: () => number;
    metrics: ProxyMetrics;
    logger: Logger;
  },
): { journal: Journal; knownEvents: KnownEvents; replay: Replay } {
  const knownEvents = new KnownEvents();
  const journal = Journal.open(kept, clock, config.journal, {
    changed: (count) => metrics.journaled.set(count),
    dropped: (reason) => metrics.journalDropped.inc({ reason }),
  }, (entry) => recall(entry, knownEvents));

  const credentialOf = async (caller: string): Promise<Credential> => {
    // Its files may come back; a bearer that was not seen since the start, or an identity of another
    // config, may never.
    const known = config.identities.some(({ name }) => caller === `identity:${name}`);
    if (known) return await readable(identities.credentialOf(caller));
    return await identities.credentialOf(caller).catch((cause) => {
      throw new UnknownSenderError(`Cannot send as ${caller.slice(0, 24)}`, { cause });
    });
  };
  const replay = new Replay({
    journal,
    known: knownEvents,
    link,
    clock,
    random,
    send: async ({ verb, caller, path, query, contentType, userAgent, body }, signal) => {
      // It is for the cluster that it was written to.
      const cluster = cloud.replacements;
      await cloud.verified(signal);
      if (cloud.replacements !== cluster) throw new UnknownSenderError("the cloud is another one");
      const credential = await credentialOf(caller);
      const headers = new Headers({ "content-type": contentType, accept: SHORT_ANSWER });
      if (userAgent !== "") headers.set("user-agent", userAgent);
      const response = await upstream.send(credential, {
        method: verb === "create" ? "POST" : "PATCH",
        pathAndQuery: query === "" ? path : `${path}?${query}`,
        headers,
        body,
        purpose: "short",
        signal,
      });
      return await fromCloud(response, caller);
    },
    delivered: () => metrics.journalDelivered.inc(),
    failed: (error) =>
      logger.error("cannot send a journaled Event: it was dropped", { error: errorMessage(error) }),
    emptied: (events) => logger.info("sent the Events of the outage", { events }),
  });
  return { journal, knownEvents, replay };
}

/** The Event as a journaled write left it, so that the next patch of it is answered in full. */
function recall({ verb, caller, path, contentType, body }: JournalEntry, known: KnownEvents): void {
  try {
    if (verb === "create") {
      const event = readEvent(body, contentType, path.startsWith("/api/") ? "" : "events.k8s.io");
      const name = encodeURIComponent(String(event.metadata.name));
      return known.set(caller, `${path}/${name}`, event);
    }
    const before = known.get(caller, path);
    if (before === undefined) return;
    known.set(caller, path, applyMergePatch(before, parseJson(body)) as typeof before);
  } catch (error) {
    // What the cloud makes of it is its business.
    if (!(error instanceof SyntaxError)) throw error;
  }
}
