import { type Encoding, formatErrorFrame } from "../../kube/codec/encoding.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import type { ResourceRequest } from "../../kube/request_info.ts";
import { type StatusOptions, statusResponse, tooLargeResourceVersion } from "../../kube/status.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import {
  acceptsPlainObjects,
  type Content,
  findBest,
  findContent,
  findMirror,
  plainScope,
} from "./find_content.ts";
import type { Hub } from "../hub/hub.ts";
import { type WatchEnd, watchHub } from "../hub/hub_watch.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";
import { answerDamaged } from "./damaged.ts";
import { parseReadOptions, type ReadOptions } from "./list_options.ts";
import { chooseHub, isHeld, servable } from "../hub/choose_hub.ts";
import { acceptedRepresentations, sameShape } from "../hub/representation.ts";
import { formatScope, type Scope, scopeOf } from "../hub/scope.ts";
import { admits } from "../hub/scope_share.ts";
import { UnreachableError } from "../upstream/upstream.ts";

/** Shortest life of a watch without `timeoutSeconds`, as kube-apiserver's --min-request-timeout. */
const MIN_TIMEOUT_MS = 1_800_000;

/** WATCH: from the hub, which keeps it open whatever the link does. */
export function createWatchLane(context: LaneContext): LaneHandler {
  const { link } = context;

  return async (request) => {
    const { query, headers, caller } = request;
    const accepted = sameShape(acceptedRepresentations(headers.get("accept")));
    const [representation] = accepted;
    if (representation === undefined || !isProven(context, request)) {
      return await passWatch(context, request);
    }
    const parsed = parseReadOptions("watch", query);
    // What the cloud refuses, or ends at once, it does in its own words.
    if ("refusal" in parsed) {
      return await passWatch(context, request, { offline: () => statusResponse(parsed.refusal) });
    }
    const { options } = parsed;
    const info = request.info as ResourceRequest;
    const candidates = accepted.map((each) => scopeOf(caller.key, info, query, each));
    if (representation.as === "table") {
      const plain = plainScope(candidates[0]!);
      const offline = () => serveHeld(context, request, findContent(context, plain, true), options);
      return await passWatch(context, request, {
        ...(acceptsPlainObjects(headers) && { offline }),
      });
    }
    if ((options.timeoutMs ?? 0) < 0 && link.isOpen) return await passWatch(context, request);
    return await serveFromHub(context, request, candidates, options);
  };
}

/** A watch of what is mirrored, or will be from now on. */
async function serveFromHub(
  context: LaneContext,
  request: ProxyRequest,
  accepted: readonly Scope[],
  options: ReadOptions,
): Promise<Response> {
  const { scopes, link } = context;
  const resumed = isResourceVersion(options.resourceVersion) && !options.sendInitialEvents;
  const candidates = servable(scopes, accepted);
  const mirror = findMirror(context, candidates[0]!);
  if (mirror !== undefined) {
    return resumed && isBehind(mirror.hub, options) && link.isOpen
      ? await passWatch(context, request, { purpose: "watch" })
      : await serveContent(context, request, mirror, options);
  }
  if (!link.isOpen) {
    const best = findBest(context, candidates, true);
    const isOwn = candidates.some((scope) => scopes.known(scope) === best?.hub);
    if (best === undefined || !isOwn) return await serveHeld(context, request, best, options);
  }
  if (!admits(scopes, candidates[0]!)) return await passWatch(context, request);
  // Only the cloud knows what came after a version that the hub never saw.
  if (resumed && link.isOpen && !isHeld(scopes, candidates[0]!)) {
    scopes.reflect(candidates[0]!, { resumed });
    return await passWatch(context, request, { purpose: "watch" });
  }
  const need = resumed ? "known" : "current";
  const { signal } = request;
  const { hub, state } = await chooseHub(scopes, link, candidates, { need, resumed, signal });
  if (state === "refused") return await passWatch(context, request);
  if (state === "unknown") {
    return await serveHeld(context, request, findBest(context, candidates, true), options);
  }
  if (resumed && isBehind(hub, options) && link.isOpen) {
    return await passWatch(context, request, { purpose: "watch" });
  }
  return await serveContent(context, request, { hub, view: {} }, options);
}

/** A watch of whatever is held, if anything is, while the link is down. */
async function serveHeld(
  context: LaneContext,
  request: ProxyRequest,
  content: Content | undefined,
  options: ReadOptions,
): Promise<Response> {
  if (content !== undefined) return await serveContent(context, request, content, options);
  context.metrics.answered("watch", "unknown");
  return context.marks.unknown(`Cannot watch for ${describeRequest(request)}`);
}

/**
 * Whether a watch goes on from before what the hub remembers. The cloud may remember more; if not, it says 410
 * itself.
 */
function isBehind(
  { window, resourceVersion }: Hub,
  { resourceVersion: wanted }: ReadOptions,
): boolean {
  return compareResourceVersions(wanted, resourceVersion) <= 0 && !window.covers(wanted);
}

async function serveContent(
  context: LaneContext,
  request: ProxyRequest,
  { hub, view }: Content,
  options: ReadOptions,
): Promise<Response> {
  const { scopes, marks, metrics, clock, link, random, stop } = context;
  const { resourceVersion: wanted, sendInitialEvents: asked, bookmarks, timeoutMs } = options;
  const fromStart = !isResourceVersion(wanted);
  // As the apiserver's SetListOptionsDefaults: who watches from the start gets what is there.
  const sendInitialEvents = asked ?? fromStart;
  if (sendInitialEvents && !fromStart && !await scopes.reaches(hub, wanted, request.signal)) {
    // The version may be that of another resource, about which the hub was told nothing.
    if (link.isOpen) return await passWatch(context, request, { purpose: "watch" });
    return errorWatch(hub.encoding, tooLargeResourceVersion(wanted, hub.resourceVersion));
  }
  const offline = !link.isOpen || hub.freshness === "declared";
  metrics.answered("watch", offline ? "cache" : "hub");
  metrics.watchers.inc();
  // What nobody mirrors tells nothing once the link is back: the client must come again then.
  const relieved = new AbortController();
  const unsubscribe = scopes.isReflected(hub.scope)
    ? () => {}
    : link.subscribe(({ state }) => state === "up" && relieved.abort());
  const ended = (end: WatchEnd) => {
    unsubscribe();
    metrics.watchers.dec();
    metrics.watchesEnded.inc({ reason: end });
  };
  let body: ReadableStream<Uint8Array>;
  try {
    const resourceVersion = fromStart ? hub.resourceVersion : wanted;
    const timeout = timeoutMs ?? MIN_TIMEOUT_MS * (1 + random());
    const signal = AbortSignal.any([stop, relieved.signal]);
    const watch = {
      resourceVersion,
      sendInitialEvents,
      bookmarks,
      timeoutMs: timeout,
      view,
      signal,
    };
    body = watchHub(hub, watch, clock, ended);
  } catch (error) {
    ended("damaged");
    return answerDamaged(hub, error);
  }
  const headers = new Headers(offline ? marks.headers(formatScope(hub.scope)) : undefined);
  for (const [name, value] of watchHeaders(hub.encoding)) headers.set(name, value);
  return new Response(body, { headers });
}

/** A watch that is answered 200 and fails at once, as the apiserver's `newErrWatcher`. */
export function errorWatch(encoding: Encoding, status: StatusOptions): Response {
  const frame = formatErrorFrame(encoding, status) as Uint8Array<ArrayBuffer>;
  return new Response(frame, { headers: watchHeaders(encoding) });
}

function watchHeaders({ watchContentType }: Encoding): [string, string][] {
  return [["content-type", watchContentType], ["cache-control", "no-cache, private"]];
}

/**
 * A watch that no hub serves: Tables, unknown encodings, callers that are not proven yet.
 *
 * @param options `offline`: what is answered instead while the cloud can't be reached
 */
async function passWatch(
  context: LaneContext,
  request: ProxyRequest,
  options: { purpose?: "watch" | "stream"; offline?: () => Response | Promise<Response> } = {},
): Promise<Response> {
  try {
    const { purpose = "stream" } = options;
    const response = await context.forwarder.read(request, { purpose });
    prove(context, request, response);
    context.metrics.answered("watch", "cloud");
    return response;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    if (options.offline !== undefined) return await options.offline();
    context.metrics.answered("watch", "unknown");
    return context.marks.unknown(`Cannot watch for ${describeRequest(request)}`);
  }
}
