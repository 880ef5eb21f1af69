import { toResponse } from "../../kube/answer.ts";
import type { ResourceRequest } from "../../kube/request_info.ts";
import { describeTokenRequest } from "../../kube/token_request.ts";
import { BoundedAnswers } from "../asks/bounded_answers.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { toWholeAnswer } from "../upstream/whole_answer.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";

/** A node runs some hundred pods, each with one token or a few. */
const MAX_TOKENS = 500;
const MAX_AGE_MS = 30 * 24 * 3_600_000;
const MAX_TOKEN_BYTES = 1024 * 1024;

/**
 * TokenRequest: without the cloud the last real token for the very same purpose, unchanged, expired or not.
 * A kubelet takes what it is given, and the pods start; nothing is ever forged.
 */
export function createTokenLane(context: LaneContext): LaneHandler {
  const { clock, forwarder, kept, marks, metrics } = context;
  const tokens = new BoundedAnswers("token", kept, clock, {
    maxCount: MAX_TOKENS,
    maxAgeMs: MAX_AGE_MS,
  });
  return async (request) => {
    const { caller } = request;
    const body = await request.readBody() ?? new Uint8Array(0);
    const purpose = purposeOf(request, body);
    try {
      // Asking twice does no harm.
      const response = await forwarder.read(request, { purpose: "short", body });
      prove(context, request, response);
      metrics.answered("token", "cloud");
      if (purpose === undefined || !isProven(context, request)) return response;
      // The account or the pod is gone or is another one; any other refusal says nothing of the token.
      if (response.status === 404 || response.status === 409) tokens.forget(caller.key, purpose);
      if (response.status !== 201) return response;
      const answer = await toWholeAnswer(response, request.signal, MAX_TOKEN_BYTES);
      tokens.keep(caller.key, purpose, answer);
      return toResponse(answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const answer = purpose !== undefined && isProven(context, request)
        ? tokens.find(caller.key, purpose, request.headers.get("accept"))
        : undefined;
      metrics.answered("token", answer === undefined ? "unknown" : "cache");
      if (answer === undefined) return marks.unknown(`Cannot ${describeRequest(request)}`);
      const marked = marks.headers(`${caller.key} tokens`, answer.atMs);
      return toResponse({ ...answer, headers: { ...answer.headers, ...marked } });
    }
  };
}

/** For what the token is: account, audiences, lifetime and the object that it is bound to. */
function purposeOf(request: ProxyRequest, body: Uint8Array): string | undefined {
  const { namespace, name } = request.info as ResourceRequest;
  try {
    const spec = describeTokenRequest(body, request.headers.get("content-type"));
    return JSON.stringify([namespace, name, spec]);
  } catch (error) {
    // The cloud will say what is wrong with it.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
