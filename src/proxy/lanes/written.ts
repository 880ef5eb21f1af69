import type { Answer } from "../../kube/answer.ts";
import type { EncodingName } from "../../kube/codec/encoding.ts";
import { encodingOf } from "../../kube/codec/encodings.ts";
import { objectKey } from "../../kube/object_meta.ts";
import { namespaceOf, type ResourceRequest } from "../../kube/request_info.ts";
import { jsonFieldReader } from "../../kube/selectable_fields.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { objectAnswerKey } from "../store/kept.ts";
import type { LaneContext } from "./lane_context.ts";

/** Newer than any: what is gone was asked for just now. */
const NOW = "9".repeat(40);

/**
 * An object is gone, as the cloud just said: neither a kept answer nor a list that once passed by may bring it
 * back. (A mirrored list is told by its watch.)
 */
export function rememberGone(
  { kept, scopes }: LaneContext,
  caller: string,
  info: ResourceRequest,
  key: string,
): void {
  kept.forgetObject(caller, info, key);
  for (const hub of scopes.siblings(caller, info)) {
    if (!scopes.isReflected(hub.scope)) hub.foundDeleted(key, NOW);
  }
}

/**
 * What a write that the cloud accepted says about what is kept for its caller.
 *
 * @param sent the body of the request
 */
export function rememberWrite(
  context: LaneContext,
  { caller, info, query }: ProxyRequest,
  sent: Uint8Array | undefined,
  answer: Answer,
): void {
  if (info.kind !== "resource" || answer.status < 200 || answer.status > 299) return;
  if (query.has("dryRun") || mayBeDryRun(info, sent)) return;
  const written = readWritten(answer);
  if (info.verb === "delete" || info.verb === "deletecollection") {
    const named: Pick<Written, "key" | "fate">[] = [...written ?? []];
    if (info.verb === "delete" && named.length === 0) {
      // A Status of success has no object in it; of an answer that can't be read nothing is known.
      const fate = written === undefined ? "unknown" : "gone";
      named.push({ key: objectKey(namespaceOf(info), info.name), fate });
    }
    for (const { key, fate } of info.subresource === "" ? named : []) {
      if (fate === "gone") rememberGone(context, caller.key, info, key);
      if (fate === "unknown") context.kept.forgetObject(caller.key, info, key);
    }
  }
  const [object] = written ?? [];
  if (object !== undefined && info.verb !== "deletecollection") {
    refresh(context, caller.key, info, answer, object);
  }
}

/** Whether a deletion's own options may say that nothing is to be deleted; in protobuf only `All` is seen. */
function mayBeDryRun({ verb }: ResourceRequest, sent: Uint8Array | undefined): boolean {
  if (sent === undefined || (verb !== "delete" && verb !== "deletecollection")) return false;
  const text = new TextDecoder("latin1").decode(sent);
  return text.includes('"dryRun"') || (text.startsWith("k8s\0") && text.includes("All"));
}

/** An object in the answer to a write. */
interface Written {
  key: string;
  resourceVersion: string;
  encoding: EncodingName;
  /** Kind and apiVersion, as in the answer. */
  type: string;
  /** After a deletion: whether it `lingers` until its grace period or its finalizers end. */
  fate: "gone" | "lingers" | "unknown";
}

/** Puts a written object in the place of the older answer to a GET of it, if one is kept. */
function refresh(
  { kept }: LaneContext,
  caller: string,
  info: ResourceRequest,
  answer: Answer,
  { key, resourceVersion, encoding, type }: Written,
): void {
  const variant = encoding === "json" ? "object" : `object.${encoding}`;
  const place = objectAnswerKey(caller, info, key, variant);
  const known = kept.get(place);
  if (known === undefined) return;
  const [before] = readWritten(known) ?? [];
  // A subresource such as `scale` may be answered by something else.
  if (before?.type !== type) return;
  if (compareResourceVersions(resourceVersion, known.resourceVersion) <= 0) return;
  kept.keep(place, { ...answer, status: 200 }, resourceVersion);
}

/** The objects in an answer: of a list, its items; of a Status, none; undefined when it can't be read. */
function readWritten({ body, headers }: Answer): Written[] | undefined {
  const contentType = headers["content-type"] ?? "";
  const encoding = contentType.includes("as=") ? undefined : encodingOf(contentType);
  if (encoding === undefined) return undefined;
  try {
    const { kind, apiVersion } = encoding.readType(body);
    const type = `${apiVersion} ${kind}`;
    if (kind === "Status") return [];
    const isList = kind.endsWith("List");
    if (encoding.name !== "json") {
      if (isList) return undefined;
      const { name, namespace, resourceVersion } = encoding.readMeta(body);
      const key = objectKey(namespace, name);
      return [{ key, resourceVersion, encoding: encoding.name, type, fate: "unknown" }];
    }
    const read = jsonFieldReader(body);
    if (!isList) return [toWritten({ metadata: read("metadata"), spec: read("spec") }, type)];
    const items = (read("items") ?? []) as Record<string, unknown>[];
    return items.map((item) => toWritten(item, type));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toWritten(object: Record<string, unknown>, type: string): Written {
  const metadata = (object.metadata ?? {}) as Record<string, unknown>;
  const { name = "", namespace = "", resourceVersion = "" } = metadata as Record<string, string>;
  const graceful = Number(metadata.deletionGracePeriodSeconds ?? 0) > 0;
  // A Namespace has finalizers of its own.
  const { finalizers: own } = (object.spec ?? {}) as { finalizers?: unknown };
  const finalized = [metadata.finalizers, own].some((all) => Array.isArray(all) && all.length > 0);
  const lingers = metadata.deletionTimestamp !== undefined && (graceful || finalized);
  return {
    key: objectKey(namespace, name),
    resourceVersion,
    encoding: "json",
    type,
    fate: lingers ? "lingers" : "gone",
  };
}
