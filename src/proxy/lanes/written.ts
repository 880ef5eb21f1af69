import type { Answer } from "../../kube/answer.ts";
import { parseJson, scanObject } from "../../kube/codec/json.ts";
import { objectKey } from "../../kube/object_meta.ts";
import { namespaceOf, type ResourceRequest } from "../../kube/request_info.ts";
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
    // A Status of success has no object in it, and an encoding that is not read here tells none.
    const named = info.verb === "delete" && (written ?? []).length === 0
      ? [{ key: objectKey(namespaceOf(info), info.name), lingers: false }]
      : written ?? [];
    for (const { key, lingers } of named) {
      if (!lingers && info.subresource === "") rememberGone(context, caller.key, info, key);
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
  /** Kind and apiVersion, as in the answer. */
  type: string;
  /** Marked for deletion, but not gone before its grace period or its finalizers end. */
  lingers: boolean;
}

/** Puts a written object in the place of the older answer to a GET of it, if one is kept. */
function refresh(
  { kept }: LaneContext,
  caller: string,
  info: ResourceRequest,
  answer: Answer,
  written: Written,
): void {
  const key = objectAnswerKey(caller, info, written.key, "object");
  const known = kept.get(key);
  if (known === undefined) return;
  const [before] = readWritten({ ...answer, body: known.body, headers: known.headers }) ?? [];
  // A subresource such as `scale` may be answered by something else.
  if (before?.type !== written.type) return;
  if (compareResourceVersions(written.resourceVersion, known.resourceVersion) <= 0) return;
  kept.keep(key, { ...answer, status: 200 }, written.resourceVersion);
}

/** The objects in an answer: of a list, its items; of a Status, none; undefined when it can't be read. */
function readWritten({ body, headers }: Answer): Written[] | undefined {
  const type = headers["content-type"] ?? "";
  if (!type.startsWith("application/json") || type.includes("as=")) return undefined;
  try {
    const fields = scanObject(body);
    const field = (name: string) => {
      const range = fields.get(name);
      return range === undefined ? undefined : parseJson(body.subarray(...range));
    };
    const kind = String(field("kind"));
    if (kind === "Status") return [];
    const items = field("items");
    if (Array.isArray(items)) {
      return items.map((item) => toWritten(item as Record<string, unknown>, kind));
    }
    return [
      toWritten(
        { metadata: field("metadata"), spec: field("spec") },
        `${field("apiVersion")} ${kind}`,
      ),
    ];
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
  return {
    key: objectKey(namespace, name),
    resourceVersion,
    type,
    lingers: metadata.deletionTimestamp !== undefined && (graceful || finalized),
  };
}
