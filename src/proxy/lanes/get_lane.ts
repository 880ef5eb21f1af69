import { toAnswer, toResponse } from "../../kube/answer.ts";
import { encodingOf } from "../../kube/codec/encodings.ts";
import { objectKey } from "../../kube/object_meta.ts";
import { PARTIAL_METADATA } from "../../kube/partial_metadata.ts";
import { namespaceOf, type ResourceRequest } from "../../kube/request_info.ts";
import { compareResourceVersions, newerResourceVersion } from "../../kube/resource_version.ts";
import { selectedName } from "../../kube/selector.ts";
import { statusResponse } from "../../kube/status.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { objectAnswerKey } from "../store/kept.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";
import { acceptedRepresentations, type Representation, sameShape } from "../hub/representation.ts";
import type { Hub } from "../hub/hub.ts";
import { showItem, type View, viewType } from "../hub/view.ts";
import { acceptsPlainObjects } from "./find_content.ts";
import { rememberGone } from "./written.ts";
import type { KeptAnswer } from "../store/overlay.ts";
import { UnreachableError } from "../upstream/upstream.ts";

/** Largest object that is kept: etcd's limit is 1.5 MiB, JSON may triple it. */
const MAX_OBJECT_BYTES = 8 * 1024 * 1024;

/** GET of one object: the cloud's answer, kept for the time without it. */
export function createGetLane(context: LaneContext): LaneHandler {
  const { forwarder, kept, marks, metrics, seen } = context;

  return async (request) => {
    const info = request.info as ResourceRequest;
    const { caller } = request;
    const accepted = sameShape(acceptedRepresentations(request.headers.get("accept")));
    try {
      const accept = accepted.map((each) => each.accept).join(",") || undefined;
      const response = await forwarder.read(request, { purpose: "short", accept });
      prove(context, request, response);
      metrics.answered("get", "cloud");
      if (response.status === 404 && info.subresource === "") {
        rememberGone(context, caller.key, info, objectKey(namespaceOf(info), info.name));
      }
      const encoding = encodingOf(response.headers.get("content-type"));
      const shape = accepted.find((each) => each.encoding === encoding?.name);
      if (encoding === undefined || shape === undefined || response.status !== 200) return response;
      const answer = await toAnswer(response, request.signal, MAX_OBJECT_BYTES);
      try {
        const { resourceVersion } = encoding.readMeta(answer.body);
        seen.see(caller.key, info, resourceVersion);
        kept.keep(answerKey(caller.key, info, shape), answer, resourceVersion);
      } catch (error) {
        // A whole body without metadata, or something else, is the client's business; nothing is kept.
        if (!(error instanceof SyntaxError)) throw error;
      }
      return toResponse(answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (accepted.length === 0 || !isProven(context, request)) {
        return marks.unknown(`Cannot ${describeRequest(request)}`);
      }
      return answerOffline(context, request, info, accepted);
    }
  };
}

function answerKey(
  caller: string,
  info: ResourceRequest,
  { as, encoding }: Pick<Representation, "as" | "encoding">,
): string {
  const shape = encoding === "json" ? as : `${as}.${encoding}`;
  const variant = info.subresource === "" ? shape : `${shape}/${info.subresource}`;
  return objectAnswerKey(caller, info, objectKey(namespaceOf(info), info.name), variant);
}

/** The newest of what hubs and kept answers hold; 404 only where a hub proves it, else 504. */
function answerOffline(
  context: LaneContext,
  request: ProxyRequest,
  info: ResourceRequest,
  accepted: readonly Representation[],
): Response {
  const { kept, marks, metrics, scopes } = context;
  const subject = `${request.caller.key} ${request.path}`;
  // Most clients that take a Table take the plain object too, if that is newer or the only one; and metadata
  // are a part of it.
  const needsTable = accepted[0]?.as === "table" && !acceptsPlainObjects(request.headers);
  const show = accepted[0]?.as === "metadata" ? "metadata" as const : undefined;
  const plain = accepted.map(({ encoding }) => ({ as: "object" as const, encoding }));
  const keptAs = (each: Pick<Representation, "as" | "encoding">) =>
    kept.get(answerKey(request.caller.key, info, each)) ?? [];
  const asAsked = accepted.flatMap(keptAs);
  const best = [
    ...asAsked,
    ...plain.flatMap(keptAs).map((each) => showAnswer(each, show)),
  ]
    .sort((a, b) => compareResourceVersions(b.resourceVersion, a.resourceVersion))
    .find((each) =>
      info.subresource !== "" || !isOutdated(context, request.caller.key, info, each)
    );

  let newest: { body: Uint8Array; resourceVersion: string; contentType: string } | undefined;
  if (info.subresource === "") {
    const siblings = scopes.siblings(request.caller.key, info);
    const isOf = ({ encoding }: typeof plain[number]) => ({ scope }: Hub) =>
      scope.encoding === encoding &&
      (scope.representation === "object" || scope.representation === show);
    for (const hub of plain.flatMap((each) => siblings.filter(isOf(each)))) {
      const object = hub.object(objectKey(namespaceOf(info), info.name));
      if (object === undefined) continue;
      const than = newest?.resourceVersion ?? best?.resourceVersion ?? "";
      if (compareResourceVersions(object.resourceVersion, than) <= 0) continue;
      const isCut = hub.scope.representation === show;
      const body = showTyped(hub, isCut ? undefined : show, object.body);
      const { contentType } = hub.encoding;
      newest = { body, resourceVersion: object.resourceVersion, contentType };
    }
  }
  if (newest !== undefined && !needsTable) {
    metrics.answered("get", "cache");
    const headers = new Headers(marks.headers(subject));
    headers.set("content-type", newest.contentType);
    return new Response(newest.body as Uint8Array<ArrayBuffer>, { headers });
  }
  if (info.subresource === "" && isKnownAbsent(context, request.caller.key, info, best)) {
    metrics.answered("get", "cache");
    const { group, resource: kind, name } = info;
    const resource = group === "" ? kind : `${kind}.${group}`;
    return statusResponse({
      code: 404,
      reason: "NotFound",
      message: `${resource} "${name}" not found`,
      details: { name, ...(group !== "" && { group }), kind },
    });
  }
  const isOther = newest !== undefined || (best !== undefined && !asAsked.includes(best));
  if (best !== undefined && !(needsTable && isOther)) {
    metrics.answered("get", "cache");
    const response = toResponse(best);
    for (const [name, value] of new Headers(marks.headers(subject, best.atMs))) {
      response.headers.set(name, value);
    }
    return response;
  }
  metrics.answered("get", "unknown");
  return marks.unknown(`Cannot ${describeRequest(request)}`);
}

/** An object that stands alone, as a view shows it. */
function showTyped(
  { encoding, itemType }: Pick<Hub, "encoding" | "itemType">,
  show: View["show"],
  body: Uint8Array,
): Uint8Array {
  const view = { show };
  return encoding.toTypedBody(showItem(view, encoding, body), viewType(view, itemType));
}

/** A kept answer to a GET of an object, as a view shows it. */
function showAnswer(answer: KeptAnswer, show: View["show"]): KeptAnswer {
  const encoding = encodingOf(answer.headers["content-type"] ?? null);
  if (show === undefined || encoding === undefined) return answer;
  const headers = { ...answer.headers, "content-type": encoding.contentType };
  const hub = { encoding, itemType: PARTIAL_METADATA };
  return { ...answer, headers, body: showTyped(hub, show, answer.body) };
}

/**
 * Whether a list that covers the object, and is newer than the answer, does not show it: it is gone since,
 * or another by now.
 */
function isOutdated(
  { scopes }: LaneContext,
  caller: string,
  info: ResourceRequest,
  { resourceVersion }: KeptAnswer,
): boolean {
  return scopes.siblings(caller, info).some((hub) =>
    covers(hub, info) && compareResourceVersions(hub.resourceVersion, resourceVersion) >= 0 &&
    lacks(hub, info)
  );
}

/** Whether a hub does not hold the object; one that is found damaged just now proves nothing. */
function lacks(hub: Hub, info: ResourceRequest): boolean {
  return hub.object(objectKey(namespaceOf(info), info.name)) === undefined &&
    hub.freshness !== "empty";
}

/** Whether a hub holds the object if there is one. */
function covers({ scope }: Hub, info: ResourceRequest): boolean {
  const { namespace, labelSelector, fieldSelector } = scope;
  return labelSelector === "" && (namespace === "" || namespace === namespaceOf(info)) &&
    (fieldSelector === "" || selectedName(fieldSelector) === info.name);
}

/**
 * Whether a stream that lived until the link was lost, and covers the object, does not show it.
 *
 * @param kept an answer that does: it must be older
 */
function isKnownAbsent(
  { scopes, seen }: LaneContext,
  caller: string,
  info: ResourceRequest,
  kept: KeptAnswer | undefined,
): boolean {
  const shown = newerResourceVersion(seen.highest(caller, info), kept?.resourceVersion ?? "");
  return scopes.siblings(caller, info).some((hub) =>
    scopes.isReflected(hub.scope) && hub.freshness === "current" && hub.refusal === undefined &&
    hub.scope.representation !== "table" && covers(hub, info) &&
    compareResourceVersions(hub.resourceVersion, shown) >= 0 && lacks(hub, info)
  );
}
