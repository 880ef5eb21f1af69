import type { ResourceRequest } from "../../kube/request_info.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus, statusResponse, tooLargeResourceVersion } from "../../kube/status.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { encodingOf } from "../../kube/codec/encodings.ts";
import { type Content, findContent } from "./find_content.ts";
import type { Hub } from "../hub/hub.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";
import { areValidOptions } from "./list_options.ts";
import { listHub, listNextPage, type ListOptions, parseContinue } from "./list_response.ts";
import { ListTee, observeVersion } from "./list_tee.ts";
import { chooseHub, newest, servable } from "../hub/choose_hub.ts";
import { acceptedRepresentations, chooseRepresentation, sameShape } from "../hub/representation.ts";
import { formatScope, type Scope, scopeOf } from "../hub/scope.ts";
import { UnreachableError } from "../upstream/upstream.ts";

/** LIST: from the hub where any version will do, else from the cloud, and from the hub when it is away. */
export function createListLane(context: LaneContext): LaneHandler {
  const { scopes, forwarder, marks, metrics, seen, link } = context;
  const see = ({ scope }: Hub, version: string) => seen.see(scope.caller, scope, version);
  const tee = new ListTee(see);

  const serve = (
    request: ProxyRequest,
    hub: Hub,
    options: Partial<ListOptions> & { offline?: boolean } = {},
  ) => {
    const { scope } = hub;
    const offline = options.offline || !link.isOpen || hub.freshness === "declared";
    const knownAt = scopes.isReflected(scope) ? undefined : hub.listedAtMs;
    const headers = offline ? marks.headers(formatScope(scope), knownAt) : undefined;
    seen.see(request.caller.key, scope, hub.resourceVersion);
    metrics.answered("list", offline ? "cache" : "hub");
    return listHub(hub, { limit: 0, ...options, headers });
  };

  const find = (candidates: readonly Scope[], acceptsPlain: boolean): Content | undefined => {
    const found = candidates.flatMap((scope) => findContent(scopes, scope, acceptsPlain) ?? []);
    return newest(found, ({ hub }) => hub);
  };

  const fromCache = (
    request: ProxyRequest,
    candidates: readonly Scope[],
    acceptsPlain: boolean,
  ) => {
    const { query } = request;
    const limit = limitOf(query);
    const wanted = query.get("resourceVersion") ?? "";
    if (query.has("continue")) {
      return statusResponse(expiredStatus(
        "The provided continue parameter was given by the API server, which can not be reached: start a new list without it.",
      ));
    }
    const found = find(candidates, acceptsPlain);
    if (found === undefined) {
      metrics.answered("list", "unknown");
      return marks.unknown(`Cannot list for ${describeRequest(request)}`);
    }
    const { hub, options } = found;
    if (isResourceVersion(wanted) && compareResourceVersions(hub.resourceVersion, wanted) < 0) {
      return statusResponse(tooLargeResourceVersion(wanted, hub.resourceVersion));
    }
    return serve(request, hub, { ...options, limit: wanted === "0" ? 0 : limit, offline: true });
  };

  return async (request) => {
    const { query, headers, caller, signal } = request;
    const accepted = sameShape(acceptedRepresentations(headers.get("accept")));
    const [representation] = accepted;
    if (representation === undefined) return await passList(context, request);
    const info = request.info as ResourceRequest;
    const candidates = accepted.map((each) => scopeOf(caller.key, info, query, each));
    const acceptsPlain = representation.as !== "table" ||
      chooseRepresentation(withoutTables(headers.get("accept")))?.as === "object";

    const token = parseContinue(query.get("continue") ?? "");
    if (token !== undefined) {
      const found = find(candidates, acceptsPlain);
      if (found === undefined) return marks.unknown(`Cannot continue ${describeRequest(request)}`);
      return listNextPage(found.hub, token, { limit: limitOf(query), ...found.options });
    }

    const served = servable(scopes, candidates);
    const wanted = query.get("resourceVersion") ?? "";
    const anyVersion = query.get("resourceVersionMatch") !== "Exact" && !query.has("continue") &&
      (wanted === "0" || (isResourceVersion(wanted) && scopes.isReflected(served[0]!)));
    const hubServes = anyVersion && representation.as !== "table" && areValidOptions("list", query);
    if (hubServes && isProven(context, request)) {
      const { hub, state } = await chooseHub(scopes, link, served, { need: "current", signal });
      if (state === "ready") {
        if (wanted === "0" || await scopes.reaches(hub, wanted, signal)) return serve(request, hub);
        return statusResponse(tooLargeResourceVersion(wanted, hub.resourceVersion));
      }
      if (state === "unknown") return fromCache(request, candidates, acceptsPlain);
    }
    try {
      const accept = accepted.map((each) => each.accept).join(",");
      // What another cluster says must not be mixed with what this one said.
      await context.cloud.verified(signal);
      const response = await forwarder.read(request, { purpose: "list", accept });
      prove(context, request, response);
      metrics.answered("list", "cloud");
      if (response.status !== 200) return response;
      const encoding = encodingOf(response.headers.get("content-type"))?.name;
      const scope = candidates.find((each) => each.encoding === encoding);
      if (scope === undefined) return response;
      const hub = scopes.hub(scope);
      // A reflector knows better, unless the cloud does not let it watch.
      const mayKeep = () => !scopes.isReflected(scope) || hub.refusal !== undefined;
      if (!mayKeep()) return observeVersion(response, (version) => see(hub, version));
      return tee.pass(response, hub, query.get("continue") ?? "", mayKeep);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (!isProven(context, request)) return marks.unknown(`Cannot ${describeRequest(request)}`);
      return fromCache(request, candidates, acceptsPlain);
    }
  };
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

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get("limit") ?? 0);
  return Number.isSafeInteger(limit) && limit > 0 ? limit : 0;
}

function withoutTables(accept: string | null): string {
  return (accept ?? "*/*").split(",").filter((range) => !/;\s*as=Table/.test(range)).join(",");
}
