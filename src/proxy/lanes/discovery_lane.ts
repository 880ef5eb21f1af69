import { type Answer, toAnswer, toResponse } from "../../kube/answer.ts";
import { discoveryKey } from "../store/kept.ts";
import type { KeptAnswer } from "../store/overlay.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";

/** Largest discovery or OpenAPI document that is kept. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/**
 * A path as clients write it. The cloud knows the same document by many spellings (`/%61pis`): each would be kept
 * once more.
 */
const PLAIN_PATH = /^(\/[A-Za-z0-9._-]+)+\/?$/;

/** Of one document, the Accepts with which callers that are no identities have it kept; the rest is negotiated. */
const MAX_ACCEPTS = 6;

/** After so long a kept document that the cloud confirms is written down as new, ms. */
const CONFIRM_MS = 3_600_000;

/**
 * Discovery, `/version`, OpenAPI, the keys of service accounts: kept per path and Accept, the same for every
 * caller. The query makes no difference: `timeout` is about waiting, `hash` names a version of the document.
 */
export function createDiscoveryLane(context: LaneContext): LaneHandler {
  const { forwarder, kept, marks, metrics } = context;
  return async (request) => {
    const accept = request.headers.get("accept");
    const key = discoveryKey(request.path, accept);
    const proven = isProven(context, request);
    try {
      const known = proven ? kept.get(key) : undefined;
      const response = await forwarder.read(revalidating(request, known), { purpose: "short" });
      prove(context, request, response);
      metrics.answered("discovery", "cloud");
      if (response.status === 304 && known !== undefined) {
        // Nothing has changed: the link was spared the document. Its age is told, but need not be exact.
        if (context.clock.now() - known.atMs > CONFIRM_MS) kept.keep(key, known);
        return fromKept(request, known);
      }
      if (response.status !== 200 || !isProven(context, request)) return response;
      const answer = await toAnswer(response, request.signal, MAX_DOCUMENT_BYTES);
      if (mayKeep(context, request, key)) kept.keep(key, answer);
      return fromKept(request, answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const answer = proven ? kept.discovery(request.path, accept) : undefined;
      if (answer === undefined) {
        metrics.answered("discovery", "unknown");
        return marks.unknown(`Cannot ${describeRequest(request)}`);
      }
      metrics.answered("discovery", "cache");
      const headers = { ...answer.headers, ...headersOf(marks.headers("discovery", answer.atMs)) };
      return fromKept(request, {
        ...answer,
        headers: { ...headers, ...cachingOf(request, answer) },
      });
    }
  };
}

/** What is kept for all must not be anybody's to fill the store with. */
function mayKeep({ kept }: LaneContext, { path, caller }: ProxyRequest, key: string): boolean {
  if (!PLAIN_PATH.test(path)) return false;
  const others = kept.keys(discoveryKey(path, "")).filter((each) => each !== key);
  return caller.kind === "identity" || others.length < MAX_ACCEPTS;
}

/**
 * The request with the ETag of what is kept in place of the client's: a 304 must be about a document that is
 * here, for the time without a link and for the clients that have none yet.
 */
function revalidating(request: ProxyRequest, known: KeptAnswer | undefined): ProxyRequest {
  const headers = new Headers(request.headers);
  const etag = known?.headers.etag;
  for (const name of ["if-none-match", "if-modified-since"]) headers.delete(name);
  if (etag !== undefined) headers.set("if-none-match", etag);
  return { ...request, headers };
}

/** The answer, or 304 when the client has it already. */
function fromKept({ headers }: ProxyRequest, answer: Answer): Response {
  const { etag } = answer.headers;
  if (etag === undefined || !matchesEtag(headers.get("if-none-match"), etag)) {
    return toResponse(answer);
  }
  const { "content-type": _, ...kept } = answer.headers;
  return new Response(null, { status: 304, headers: kept });
}

/** Weak comparison of RFC 9110 13.1.2. */
function matchesEtag(ifNoneMatch: string | null, etag: string): boolean {
  const strong = (tag: string) => tag.trim().replace(/^W\//, "");
  return (ifNoneMatch ?? "").split(",")
    .some((tag) => tag.trim() === "*" || strong(tag) === strong(etag));
}

/**
 * A document that was asked for by its hash may be kept by clients for a year: only the right one may say so.
 */
function cachingOf(request: ProxyRequest, { headers }: KeptAnswer): Record<string, string> {
  const isNamed = request.query.get("hash") === headers.etag?.replaceAll('"', "");
  return !isNamed && /immutable/.test(headers["cache-control"] ?? "")
    ? { "cache-control": "no-cache, private" }
    : {};
}

function headersOf(init: HeadersInit): Record<string, string> {
  return Object.fromEntries(new Headers(init));
}
