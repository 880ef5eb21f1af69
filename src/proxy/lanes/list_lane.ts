import { encodingOf } from "../../kube/codec/encodings.ts";
import type { ResourceRequest } from "../../kube/request_info.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus, statusResponse, tooLargeResourceVersion } from "../../kube/status.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import {
  type ContinueToken,
  expiredContinue,
  parseCloudContinue,
  parseContinue,
  toCloudContinue,
} from "./continue_token.ts";
import { acceptsPlainObjects, type Content, findBest, findMirror } from "./find_content.ts";
import type { Hub } from "../hub/hub.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";
import { type ParsedOptions, parseReadOptions, type ReadOptions } from "./list_options.ts";
import { listHub, listNextPage } from "./list_response.ts";
import { ListTee, observeVersion } from "./list_tee.ts";
import { chooseHub, servable } from "../hub/choose_hub.ts";
import { acceptedRepresentations, sameShape } from "../hub/representation.ts";
import { formatScope, type Scope, scopeOf } from "../hub/scope.ts";
import { admits } from "../hub/scope_share.ts";
import { UnreachableError } from "../upstream/upstream.ts";

/** LIST: from the hub where any version will do, else from the cloud, and from the hub when it is away. */
export function createListLane(context: LaneContext): LaneHandler {
  const { scopes, forwarder, marks, metrics, seen, link } = context;
  const see = ({ scope }: Hub, version: string) => seen.see(scope.caller, scope, version);
  const tee = new ListTee(see);

  const serve = (
    request: ProxyRequest,
    { hub, view }: Content,
    options: {
      limit?: number;
      token?: ContinueToken;
      offline?: boolean;
      /** Version at which the hub is shown; nothing has changed since. */
      resourceVersion?: string;
    } = {},
  ) => {
    const { scope } = hub;
    const { limit = 0, token, resourceVersion } = options;
    const offline = options.offline || !link.isOpen || hub.freshness === "declared";
    const knownAt = scopes.isReflected(scope) ? undefined : hub.listedAtMs;
    const headers = offline ? marks.headers(formatScope(scope), knownAt) : undefined;
    seen.see(request.caller.key, scope, hub.resourceVersion);
    metrics.answered("list", offline ? "cache" : "hub");
    return token === undefined
      ? listHub(hub, { limit, resourceVersion, ...view, headers })
      : listNextPage(hub, token, { limit, ...view, headers });
  };

  const fromCache = (request: ProxyRequest, asked: Asked): Response => {
    const { candidates, acceptsPlain, parsed } = asked;
    if ("refusal" in parsed) return statusResponse(parsed.refusal);
    const { resourceVersion: wanted, limit, match, continue: given } = parsed.options;
    const token = parseContinue(given);
    const foreign = parseCloudContinue(given, candidates[0]!.namespace);
    if (given !== "" && token === undefined && foreign === undefined) {
      return statusResponse({
        code: 400,
        reason: "BadRequest",
        message: "invalid continue token: continue key is not valid",
      });
    }
    const content = findBest(context, candidates, acceptsPlain);
    if (content === undefined) {
      metrics.answered("list", "unknown");
      return marks.unknown(`Cannot list for ${describeRequest(request)}`);
    }
    const { hub } = content;
    // Only the cloud can give the rest of what it gave, but the client may have what the node knows.
    if (foreign !== undefined) return statusResponse(expiredContinue(foreign));
    if (token !== undefined) return serve(request, content, { limit, token, offline: true });
    const exact = isResourceVersion(wanted) &&
      (match === "Exact" || (match === "" && limit > 0));
    if (isResourceVersion(wanted)) {
      if (compareResourceVersions(hub.resourceVersion, wanted) < 0) {
        return statusResponse(tooLargeResourceVersion(wanted, hub.resourceVersion));
      }
      if (exact && compareResourceVersions(hub.changeVersion, wanted) > 0) {
        return statusResponse(
          expiredStatus("The resourceVersion for the provided list is too old."),
        );
      }
    }
    return serve(request, content, {
      limit: wanted === "0" ? 0 : limit,
      resourceVersion: exact ? wanted : undefined,
      offline: true,
    });
  };

  return async (request) => {
    const { query, headers, caller, signal } = request;
    const accepted = sameShape(acceptedRepresentations(headers.get("accept")));
    const [representation] = accepted;
    if (representation === undefined) return await passList(context, request);
    const info = request.info as ResourceRequest;
    const candidates = accepted.map((each) => scopeOf(caller.key, info, query, each));
    const acceptsPlain = representation.as !== "table" || acceptsPlainObjects(headers);
    const parsed = parseReadOptions("list", query);
    const asked: Asked = { candidates, acceptsPlain, parsed };

    const served = servable(scopes, candidates);
    const mirror = findMirror(context, served[0]!);
    if (
      isProven(context, request) && isForHub(context, asked, served[0]!, mirror) &&
      (mirror !== undefined || admits(scopes, served[0]!))
    ) {
      const { resourceVersion: wanted } = asked.parsed.options;
      const { hub, view = {}, state } = mirror === undefined
        ? { ...await chooseHub(scopes, link, served, { need: "current", signal }), view: {} }
        : { ...mirror, state: "ready" as const };
      if (state === "ready") {
        if (wanted === "0" || await scopes.reaches(hub, wanted, signal)) {
          return serve(request, { hub, view });
        }
        // The version may be that of another resource: the cloud can tell, where this hub was told nothing.
      }
      if (state === "unknown") return fromCache(request, asked);
    }
    try {
      const accept = accepted.map((each) => each.accept).join(",");
      const token = query.get("continue") ?? "";
      // What another cluster says must not be mixed with what this one said.
      await context.cloud.verified(signal);
      const response = await forwarder.read(withCloudToken(request, info), {
        purpose: "list",
        accept,
      });
      prove(context, request, response);
      metrics.answered("list", "cloud");
      if (response.status !== 200) return response;
      const encoding = encodingOf(response.headers.get("content-type"))?.name;
      const scope = candidates.find((each) => each.encoding === encoding);
      if (scope === undefined || !admits(scopes, scope)) return response;
      const hub = scopes.hub(scope);
      // A reflector knows better, unless the cloud does not let it watch; and the past is worth nothing.
      const mayKeep = () =>
        (!scopes.isReflected(scope) || hub.refusal !== undefined) && isNewest(asked.parsed);
      if (!mayKeep()) return observeVersion(response, (version) => see(hub, version));
      return tee.pass(response, hub, token, mayKeep);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (!isProven(context, request)) return marks.unknown(`Cannot ${describeRequest(request)}`);
      return fromCache(request, asked);
    }
  };
}

/** What a LIST asks for. */
interface Asked {
  /** One per encoding that is taken, best first; there is one at least. */
  candidates: readonly Scope[];
  acceptsPlain: boolean;
  parsed: ParsedOptions;
}

/**
 * Whether any state will do that is new enough. What the cloud refuses it must refuse in its own words; and
 * Exact, which `limit` means too when it comes with a version, is a state that only the cloud may still have.
 */
function isForHub(
  { scopes }: LaneContext,
  asked: Asked,
  scope: Scope,
  mirror: Content | undefined,
): asked is Asked & { parsed: { options: ReadOptions } } {
  const { parsed } = asked;
  if ("refusal" in parsed || scope.representation === "table") return false;
  const { resourceVersion, match, limit, continue: token } = parsed.options;
  if (token !== "") return false;
  if (resourceVersion === "0") return true;
  return resourceVersion !== "" && match !== "Exact" && limit === 0 &&
    (mirror !== undefined || scopes.isReflected(scope));
}

/** Whether a list is of the newest state, not of one in the past. */
function isNewest(parsed: ParsedOptions): boolean {
  if ("refusal" in parsed) return false;
  const { resourceVersion, match, limit } = parsed.options;
  return match !== "Exact" && (limit === 0 || match !== "" || !isResourceVersion(resourceVersion));
}

/** The pages that the node began while the link was down go on in the cloud, by a token of its kind. */
function withCloudToken(request: ProxyRequest, { namespace }: ResourceRequest): ProxyRequest {
  const token = parseContinue(request.query.get("continue") ?? "");
  if (token === undefined) return request;
  const query = new URLSearchParams(request.query);
  query.set("continue", toCloudContinue(token, namespace));
  return { ...request, query };
}

/** A list in an encoding that the agent does not read. */
async function passList(context: LaneContext, request: ProxyRequest): Promise<Response> {
  try {
    return await context.forwarder.read(request, { purpose: "list" });
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    return context.marks.unknown(`Cannot list for ${describeRequest(request)}`);
  }
}
