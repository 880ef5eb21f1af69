import type { Logger } from "@logtape/logtape";
import { Hono } from "hono";
import { errorMessage } from "../kernel/errors.ts";
import { parseRequestInfo, type RequestInfo } from "../kube/request_info.ts";
import { negotiateStatus } from "../kube/negotiated_status.ts";
import { statusResponse } from "../kube/status.ts";
import type { Peer } from "../platform/client_certificate.ts";
import type { ClientConnection } from "../platform/http_front.ts";
import { withBearerInHeader } from "./identity/websocket_bearer.ts";
import type { Filters } from "./filters/filters.ts";
import type { ProxyRequest } from "./upstream/forward.ts";
import { createGetLane } from "./lanes/get_lane.ts";
import type { Caller } from "./identity/identity.ts";
import { isProven, type LaneContext, type LaneHandler } from "./lanes/lane_context.ts";
import { type Lane, laneOf } from "./lanes/lanes.ts";
import { createDiscoveryLane } from "./lanes/discovery_lane.ts";
import { createEventLane } from "./lanes/event_lane.ts";
import { createListLane } from "./lanes/list_lane.ts";
import { createPassLane, createWriteLane } from "./lanes/other_lanes.ts";
import { withPatience } from "./lanes/patience.ts";
import { createReviewLane } from "./lanes/review_lane.ts";
import { createTokenLane } from "./lanes/token_lane.ts";
import { createUpgradeLane } from "./lanes/upgrade_lane.ts";
import { createWatchLane } from "./lanes/watch_lane.ts";
import { TooManyRequestsError, Turnstile, type Visit } from "./turnstile.ts";

/** Largest body that is taken: kube-apiserver refuses more than 3 MiB. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Read to here all the same: a client that is still sending would see a reset, not the 413. */
const MAX_DRAINED_BYTES = 4 * MAX_BODY_BYTES;

/** What is known of a request besides itself. */
export interface ProxyEnv {
  Bindings: { connection: ClientConnection };
}

/** What the app asks beside the lanes. */
export interface ProxyAppOptions {
  /** Who sent a request, over a connection of that peer. */
  callerOf(headers: Headers, peer?: Peer): Promise<Caller>;
  /** What is changed in the answers of the lanes. */
  filters: Filters;
  /** Told of handlers that fail in a way that nobody foresaw. */
  logger: Logger;
}

/** The lite-apiserver as a Hono app. */
export function createProxyApp(
  context: LaneContext,
  options: ProxyAppOptions,
): Hono<ProxyEnv> {
  const handlers: Record<Lane, LaneHandler> = {
    list: createListLane(context),
    watch: createWatchLane(context),
    get: createGetLane(context),
    discovery: createDiscoveryLane(context),
    write: createWriteLane(context),
    token: createTokenLane(context),
    review: createReviewLane(context),
    ask: createPassLane(context, "ask"),
    event: createEventLane(context),
    stream: createPassLane(context, "stream"),
    forward: createPassLane(context, "forward"),
    upgrade: createUpgradeLane(context),
  };
  const { filters, logger } = options;
  const turnstile = new Turnstile();
  const answer = async (raw: Request, connection: ClientConnection): Promise<Response> => {
    const { path, query } = splitUrl(raw.url);
    let info: RequestInfo;
    try {
      info = parseRequestInfo(raw.method, path, query);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return statusResponse({ code: 400, reason: "BadRequest", message: error.message });
    }
    const signal = AbortSignal.any([raw.signal, context.stop]);
    let visit: Visit | undefined;
    try {
      const request: ProxyRequest = {
        method: raw.method,
        path,
        query,
        headers: raw.headers,
        info,
        caller: await options.callerOf(withBearerInHeader(raw.headers), connection.peer),
        connection,
        signal,
        readBody: () => readBody(raw, visit!),
      };
      visit = turnstile.enter(request.caller, isProven(context, request), raw.signal);
      const lane = laneOf(request);
      const response = visit.ends(await filters.answer(request, handlers[lane]));
      return IMPATIENT.has(lane) ? cutWhenStuck(response, request, context, logger) : response;
    } catch (error) {
      visit?.ends(new Response(null));
      if (error instanceof BodyTooLargeError) {
        return statusResponse({
          code: 413,
          reason: "RequestEntityTooLarge",
          message: error.message,
        });
      }
      if (error instanceof TooManyRequestsError) {
        return statusResponse({ code: 429, reason: "TooManyRequests", message: error.message });
      }
      // Nobody is there to be told.
      if (signal.aborted) return new Response(null, { status: 503 });
      logger.error("a request failed", {
        method: raw.method,
        path,
        error: errorMessage(error),
      });
      const message = `edge-agent could not handle ${raw.method} ${path}: ${errorMessage(error)}`;
      return statusResponse({ code: 500, reason: "InternalError", message });
    }
  };
  const app = new Hono<ProxyEnv>();
  app.all("*", async ({ req: { raw }, env: { connection } }) => {
    // First: the headers of a connection that is gone, or left HTTP, can't be read.
    const accept = raw.headers.get("accept");
    return negotiateStatus(await answer(raw, connection), accept);
  });
  return app;
}

/** Behind their bodies stand snapshots of the store and streams of the cloud. Logs may be paused for hours. */
const IMPATIENT: ReadonlySet<Lane> = new Set<Lane>(["list", "watch"]);

/** The response; a client that stops reading it in the middle is cut off. */
function cutWhenStuck(
  response: Response,
  { method, path, connection }: ProxyRequest,
  { clock, metrics }: LaneContext,
  logger: Logger,
): Response {
  if (response.status !== 200 || response.body === null) return response;
  const body = withPatience(response.body, clock, () => {
    metrics.stuckClients.inc();
    logger.warn("a client does not read its answer: it was cut off", { method, path });
    connection?.cut();
  });
  return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, response);
}

class BodyTooLargeError extends Error {}

/** Path and query as they came: `URL` would resolve `%2e%2e`. */
function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const target = start < 0 ? "/" : url.slice(start);
  const [path = "/", ...search] = target.split("?");
  return { path, query: new URLSearchParams(search.join("?")) };
}

async function readBody(raw: Request, visit: Visit): Promise<Uint8Array | undefined> {
  if (raw.body === null) return undefined;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of raw.body) {
    size += part.length;
    if (size > MAX_DRAINED_BYTES) break;
    if (size > MAX_BODY_BYTES) continue;
    visit.hold(part.length);
    parts.push(part);
  }
  if (size > MAX_BODY_BYTES) {
    throw new BodyTooLargeError(`the request's body is longer than ${MAX_BODY_BYTES} bytes`);
  }
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}
