import { isResourceVersion } from "../../kube/resource_version.ts";
import { isTrue, type ResourceRequest } from "../../kube/request_info.ts";
import { statusResponse, tooLargeResourceVersion } from "../../kube/status.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { watchHub } from "../hub/hub_watch.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";
import { areValidOptions } from "./list_options.ts";
import { chooseHub, isHeld, servable } from "../hub/choose_hub.ts";
import { acceptedRepresentations, sameShape } from "../hub/representation.ts";
import { formatScope, scopeOf } from "../hub/scope.ts";
import { UnreachableError } from "../upstream/upstream.ts";

/** Shortest life of a watch without `timeoutSeconds`, as kube-apiserver's --min-request-timeout. */
const MIN_TIMEOUT_MS = 1_800_000;

/** WATCH: from the hub, which keeps it open whatever the link does. */
export function createWatchLane(context: LaneContext): LaneHandler {
  const { scopes, marks, metrics, clock, link, random, stop } = context;

  return async (request) => {
    const { query, headers, caller, signal } = request;
    const accepted = sameShape(acceptedRepresentations(headers.get("accept")));
    const [representation] = accepted;
    const hubServes = representation !== undefined && representation.as !== "table" &&
      areValidOptions("watch", query) && isProven(context, request);
    if (!hubServes) return await passWatch(context, request);
    const info = request.info as ResourceRequest;
    const candidates = servable(
      scopes,
      accepted.map((each) => scopeOf(caller.key, info, query, each)),
    );
    const resourceVersion = query.get("resourceVersion") ?? "";
    const sendInitialEvents = isTrue(query.get("sendInitialEvents"));
    const resumes = isResourceVersion(resourceVersion) && !sendInitialEvents;
    // Only the cloud knows what came after a version that the hub never saw.
    if (resumes && link.isOpen && !isHeld(scopes, candidates[0]!)) {
      scopes.reflect(candidates[0]!, { resumed: resumes });
      return await passWatch(context, request, "watch");
    }
    const need = resumes ? "known" : "current";
    const { hub, state } = await chooseHub(scopes, link, candidates, {
      need,
      resumed: resumes,
      signal,
    });
    if (state === "refused") return await passWatch(context, request);
    if (state === "unknown") {
      metrics.answered("watch", "unknown");
      return marks.unknown(`Cannot watch for ${describeRequest(request)}`);
    }
    if (sendInitialEvents && isResourceVersion(resourceVersion)) {
      if (!await scopes.reaches(hub, resourceVersion, signal)) {
        return statusResponse(tooLargeResourceVersion(resourceVersion, hub.resourceVersion));
      }
    }
    const offline = !link.isOpen || hub.freshness === "declared";
    metrics.answered("watch", offline ? "cache" : "hub");
    metrics.watchers.inc();
    const body = watchHub(
      hub,
      {
        resourceVersion,
        sendInitialEvents,
        bookmarks: isTrue(query.get("allowWatchBookmarks")),
        timeoutMs: timeoutOf(query) ?? MIN_TIMEOUT_MS * (1 + random()),
        signal: stop,
      },
      clock,
      (end) => {
        metrics.watchers.dec();
        metrics.watchesEnded.inc({ reason: end });
      },
    );
    const answer = new Headers(offline ? marks.headers(formatScope(hub.scope)) : undefined);
    answer.set("content-type", hub.encoding.watchContentType);
    answer.set("cache-control", "no-cache, private");
    return new Response(body, { headers: answer });
  };
}

/** A watch that no hub serves: Tables, unknown encodings, callers that are not proven yet. */
async function passWatch(
  context: LaneContext,
  request: ProxyRequest,
  purpose: "watch" | "stream" = "stream",
): Promise<Response> {
  try {
    const response = await context.forwarder.read(request, { purpose });
    prove(context, request, response);
    context.metrics.answered("watch", "cloud");
    return response;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    context.metrics.answered("watch", "unknown");
    return context.marks.unknown(`Cannot watch for ${describeRequest(request)}`);
  }
}

function timeoutOf(query: URLSearchParams): number | undefined {
  const seconds = Number(query.get("timeoutSeconds") ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined;
}
