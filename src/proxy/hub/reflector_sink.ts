import { RefusedError } from "../../kube/answer.ts";
import type { ReflectorSink } from "../../kube/reflector.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import type { Hub } from "./hub.ts";

/** What a reflector's failures lead to beside the hub. */
export interface SinkEvents {
  failed(error: unknown): void;
  /** The cloud answered 401: the caller's token is no good. */
  rejected(): void;
  /** There is nothing to be mirrored: the reflector ends. */
  stop(): void;
}

/** A hub as the place where a reflector puts what it learns. */
export function sinkOf(hub: Hub, events: SinkEvents): ReflectorSink {
  return {
    position: () => hub.position(),
    catchUp: () => hub.catchUp(),
    replace: () => hub.replace(),
    change: (event) => hub.change(event),
    bookmark: (resourceVersion) => hub.bookmark(resourceVersion),
    caughtUp: () => hub.caughtUp(),
    watching: () => hub.watching(),
    refused: (error) => {
      hub.refused(error);
      const rejected = error.answer.status === 401;
      // A token that expired, or was never good; its owner brings a new one. And what was never
      // listed is tried again when somebody asks for it, not for ever.
      if (rejected || hub.freshness === "empty") events.stop();
      if (rejected) events.rejected();
    },
    failed: (error) => {
      events.failed(error);
      if (error instanceof UnreachableError) {
        if (!error.answered) return;
        // As good as a link that is down.
        hub.cutOff();
        // Whoever waits would wait for as long as the credential is missing or refused.
        if (hub.freshness === "empty") hub.refused(error);
      } else if (!(error instanceof RefusedError)) {
        // What the cloud says there is nothing that can be mirrored: clients are sent to it.
        hub.refused(error instanceof Error ? error : new Error(String(error)));
        if (hub.freshness === "empty") events.stop();
      }
    },
  };
}
