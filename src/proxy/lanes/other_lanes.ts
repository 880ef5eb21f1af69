import { type Answer, toAnswer, toResponse } from "../../kube/answer.ts";
import { encodingOf } from "../../kube/codec/encodings.ts";
import { objectKey } from "../../kube/object_meta.ts";
import { namespaceOf, type ResourceRequest } from "../../kube/request_info.ts";
import { discoveryKey } from "../store/kept.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { toWholeAnswer } from "../upstream/whole_answer.ts";

/** Largest discovery or OpenAPI document that is kept. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/** Discovery, `/version`, OpenAPI: kept per path and Accept, the same for every caller. */
export function createDiscoveryLane(context: LaneContext): LaneHandler {
  const { forwarder, kept, marks, metrics } = context;
  return async (request) => {
    const accept = request.headers.get("accept");
    try {
      const response = await forwarder.read(request, { purpose: "short" });
      prove(context, request, response);
      metrics.answered("discovery", "cloud");
      if (response.status !== 200 || !isProven(context, request)) return response;
      const answer = await toAnswer(response, request.signal, MAX_DOCUMENT_BYTES);
      kept.keep(discoveryKey(request.path, accept), answer);
      return toResponse(answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const answer = isProven(context, request) ? kept.discovery(request.path, accept) : undefined;
      if (answer === undefined) {
        metrics.answered("discovery", "unknown");
        return marks.unknown(`Cannot ${describeRequest(request)}`);
      }
      metrics.answered("discovery", "cache");
      const headers = { ...answer.headers, ...marks.headers("discovery", answer.atMs) };
      const etag = answer.headers.etag;
      if (etag !== undefined && request.headers.get("if-none-match") === etag) {
        return new Response(null, { status: 304, headers });
      }
      return toResponse({ ...answer, headers });
    }
  };
}

/** Writes: sent at most once; never a success that is lost. */
export function createWriteLane(context: LaneContext): LaneHandler {
  const { forwarder, kept, marks, metrics } = context;
  return async (request) => {
    const body = await request.readBody();
    try {
      const response = await forwarder.send(request, { purpose: "short", body });
      prove(context, request, response);
      metrics.answered("write", "cloud");
      const info = request.info as ResourceRequest;
      if (info.verb === "delete" && response.ok) {
        kept.forgetObject(request.caller.key, info, objectKey(namespaceOf(info), info.name));
      }
      if (!response.ok) return response;
      const answer = await toWholeAnswer(response, request.signal, MAX_DOCUMENT_BYTES);
      // From here on, the absence of this object in an older list proves nothing to this client.
      context.seen.see(request.caller.key, info, versionOf(answer));
      return toResponse(answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      metrics.answered("write", "unknown");
      const what = `Cannot ${describeRequest(request)}`;
      return error.sent ? marks.outcomeUnknown(what) : marks.notSent(what);
    }
  };
}

/** The resourceVersion of an object; empty for anything else, such as the Status of a DELETE. */
function versionOf({ headers, body }: Answer): string {
  try {
    const encoding = encodingOf(headers["content-type"] ?? null);
    return encoding?.readMeta(body).resourceVersion ?? "";
  } catch (error) {
    if (error instanceof SyntaxError) return "";
    throw error;
  }
}

/** How the lanes differ whose answers are never kept. */
const PASSED = {
  /** Questions in a body, which only the cloud can answer. */
  ask: { purpose: "short", offline: "unknown" },
  /** Strangers, impersonation, and what is not an object. */
  forward: { purpose: "stream", offline: "unknown" },
  /** Logs and proxied requests: honestly unavailable without a link. */
  stream: { purpose: "stream", offline: "not-sent" },
} as const;

/** What is passed on and never kept. */
export function createPassLane(context: LaneContext, lane: keyof typeof PASSED): LaneHandler {
  const { forwarder, marks, metrics } = context;
  const { purpose, offline } = PASSED[lane];
  return async (request) => {
    const body = await request.readBody();
    try {
      const response = await forwarder.send(request, { purpose, body });
      if (lane !== "forward") prove(context, request, response);
      metrics.answered(lane, "cloud");
      return response;
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      metrics.answered(lane, "unknown");
      const what = `Cannot ${describeRequest(request)}`;
      return offline === "not-sent" && !error.sent ? marks.notSent(what) : marks.unknown(what);
    }
  };
}
