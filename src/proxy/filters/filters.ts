import type { Counter } from "prom-client";
import { parseAccept } from "../../kube/accept.ts";
import { encodingOf, encodingOfRange, ENCODINGS } from "../../kube/codec/encodings.ts";
import type { Gvr } from "../../kube/request_info.ts";
import { isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus, statusResponse } from "../../kube/status.ts";
import type { ProxyConfig } from "../config.ts";
import { acceptedRepresentations } from "../hub/representation.ts";
import type { LaneHandler } from "../lanes/lane_context.ts";
import { parseReadOptions } from "../lanes/list_options.ts";
import { errorWatch } from "../lanes/watch_lane.ts";
import type { KeptAnswers } from "../store/kept.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import type { Filter } from "./filter.ts";
import { FilterChanges } from "./filter_changes.ts";
import { createLocalDns } from "./local_dns.ts";
import { rewriteObjects, rewriteWhole } from "./object_rewriter.ts";

/** Resources of which objects may be changed. */
const CHANGED: readonly Gvr[] = [
  { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" },
];

const READS = new Set(["get", "list", "watch"]);

/**
 * What is changed on the way out. Whatever a lane answers, be it from the cloud, a hub or the store, leaves
 * through here: so all answers agree, and nothing that is stored depends on the config.
 */
export class Filters {
  readonly #filters: readonly Filter[];
  readonly #changes: FilterChanges;
  readonly #changed: Counter<"filter">;

  constructor(
    { filters: { localDns }, identities }: Pick<ProxyConfig, "filters" | "identities">,
    ports: { kept: Pick<KeptAnswers, "get" | "keep">; changed: Counter<"filter"> },
  ) {
    // In the order in which they work on an object.
    this.#filters = [
      ...(localDns === undefined ? [] : [createLocalDns(localDns)]),
    ];
    this.#changed = ports.changed;
    const current = identities.map(({ name }) => `identity:${name}`).flatMap((caller) =>
      CHANGED.map((gvr) => {
        const fingerprint = this.#of(caller, gvr).map((each) => each.fingerprint).join("\n");
        return { caller, ...gvr, fingerprint };
      })
    );
    this.#changes = new FilterChanges(ports.kept, current);
  }

  /** What a lane answers, as the caller is to see it. */
  async answer(request: ProxyRequest, handle: LaneHandler): Promise<Response> {
    const { info, caller } = request;
    if (info.kind !== "resource" || info.subresource !== "" || !READS.has(info.verb)) {
      return await handle(request);
    }
    const filters = this.#of(caller.key, info);
    const headers = new Headers(request.headers);
    if (filters.length > 0) {
      const accept = jsonAlone(headers.get("accept"));
      if (accept === "") return notAcceptable();
      headers.set("accept", accept);
    }
    const shown = { ...info, caller: caller.key };
    // Of what is not changed (metadata, Tables) nothing must be listed anew.
    const [representation] = acceptedRepresentations(headers.get("accept"));
    const mustList = representation?.as === "object" && this.#changes.mustList(shown);
    const goesOn = info.verb === "watch" && isResumed(request.query);
    if (mustList && goesOn) {
      const message = `too old resource version: ${info.resource} are shown otherwise since then`;
      return errorWatch(ENCODINGS[representation.encoding], expiredStatus(message));
    }
    const response = await handle(filters.length > 0 ? { ...request, headers } : request);
    if (mustList && response.status === 200 && info.verb !== "get") this.#changes.listed(shown);
    return filters.length > 0 ? this.#show(response, info.name !== "", filters) : response;
  }

  /** The filters of a resource for a caller. */
  #of(caller: string, gvr: Gvr): Filter[] {
    return this.#filters.filter(({ identities, covers }) =>
      covers(gvr) && identities.some((name) => caller === `identity:${name}`)
    );
  }

  #show(response: Response, isWhole: boolean, filters: readonly Filter[]): Response {
    const { status, body, headers } = response;
    const isJson = encodingOf(headers.get("content-type"))?.name === "json";
    if (status !== 200 || body === null || !isJson) return response;
    const show = (object: Uint8Array) =>
      filters.reduce((before, { name, show }) => {
        const after = show(before);
        if (after !== before) this.#changed.inc({ filter: name });
        return after;
      }, object);
    const rewritten = isWhole ? rewriteWhole(body, show) : rewriteObjects(body, show);
    const changed = new Response(rewritten, response);
    changed.headers.delete("content-length");
    return changed;
  }
}

/** The ranges in which objects can be changed, or are not changed at all; empty when there are none. */
function jsonAlone(accept: string | null): string {
  return parseAccept(accept)
    .filter(({ type, params }) => encodingOfRange(type)?.name === "json" || "as" in params)
    .map(({ text }) => text).join(",");
}

/** As kube-apiserver says it of custom resources, which have no protobuf. */
function notAcceptable(): Response {
  const message = "only the following media types are accepted: application/json";
  return statusResponse({ code: 406, reason: "NotAcceptable", message });
}

/** Whether a watch goes on from a version, without the objects that are there. */
function isResumed(query: URLSearchParams): boolean {
  const parsed = parseReadOptions("watch", query);
  return "options" in parsed && isResourceVersion(parsed.options.resourceVersion) &&
    parsed.options.sendInitialEvents !== true;
}
