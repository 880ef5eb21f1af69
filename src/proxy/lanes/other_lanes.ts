import { type Answer, toResponse } from "../../kube/answer.ts";
import { encodingOf } from "../../kube/codec/encodings.ts";
import { objectKey } from "../../kube/object_meta.ts";
import { namespaceOf, type ResourceRequest } from "../../kube/request_info.ts";
import { describeRequest, type LaneContext, type LaneHandler, prove } from "./lane_context.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { rememberWrite } from "./written.ts";
import { toWholeAnswer } from "../upstream/whole_answer.ts";

/** Largest answer to a write that is read. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

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
      if (!response.ok) return response;
      const answer = await toWholeAnswer(response, request.signal, MAX_ANSWER_BYTES)
        .catch((error) => {
          // Accepted all the same, whatever the rest of the answer would have said.
          if (info.verb === "delete") {
            kept.forgetObject(request.caller.key, info, objectKey(namespaceOf(info), info.name));
          }
          throw error;
        });
      // From here on, the absence of this object in an older list proves nothing to this client.
      context.seen.see(request.caller.key, info, versionOf(answer));
      rememberWrite(context, request, body, answer);
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
