import { toResponse } from "../../kube/answer.ts";
import { concatBytes, formatJson } from "../../kube/codec/json.ts";
import { BoundedAnswers } from "../asks/bounded_answers.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { toWholeAnswer } from "../upstream/whole_answer.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";

const MAX_REVIEWS = 1_000;
const MAX_REVIEW_BYTES = 1024 * 1024;

/**
 * TokenReview, SubjectAccessReview and their kin: the cloud's answer, and for a while without it the one
 * that it gave last to the very same question. The kubelet judges its own callers so.
 */
export function createReviewLane(context: LaneContext): LaneHandler {
  const { clock, forwarder, kept, marks, metrics, reviewGraceMs } = context;
  const reviews = new BoundedAnswers("review", kept, clock, {
    maxCount: MAX_REVIEWS,
    maxAgeMs: reviewGraceMs,
  });
  return async (request) => {
    const { caller, headers, path } = request;
    const body = await request.readBody() ?? new Uint8Array(0);
    const question = concatBytes([formatJson([path, headers.get("content-type")]), body]);
    try {
      // Asking twice does no harm.
      const response = await forwarder.read(request, { purpose: "short", body });
      prove(context, request, response);
      metrics.answered("review", "cloud");
      if (reviewGraceMs === 0 || response.status !== 201 || !isProven(context, request)) {
        return response;
      }
      const answer = await toWholeAnswer(response, request.signal, MAX_REVIEW_BYTES);
      reviews.keep(caller.key, question, answer);
      return toResponse(answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const answer = isProven(context, request)
        ? reviews.find(caller.key, question, headers.get("accept"), reviewGraceMs)
        : undefined;
      metrics.answered("review", answer === undefined ? "unknown" : "cache");
      if (answer === undefined) return marks.unknown(`Cannot ${describeRequest(request)}`);
      const marked = marks.headers(`${caller.key} reviews`, answer.atMs);
      return toResponse({ ...answer, headers: { ...answer.headers, ...marked } });
    }
  };
}
