import { type MediaRange, parseAccept } from "../../kube/accept.ts";
import {
  collectionPath,
  formatGvr,
  type Gvr,
  type ResourceRequest,
} from "../../kube/request_info.ts";

/** The shapes in which the agent mirrors objects. Tables are kept as lists but not watched. */
export type Representation =
  | { as: "object"; accept: string }
  | { as: "metadata"; accept: string }
  | { as: "table"; accept: string };

/**
 * A collection as one client sees it: the unit of mirroring. Nothing of it may be left out of the key:
 * two selectors, two groups with one resource name, or typed, Table and metadata never mix.
 */
export interface Scope extends Gvr {
  /** Who asks: `identity:<name>` or `bearer:<hash>`. */
  caller: string;
  /** Empty for all namespaces and for cluster-scoped resources. */
  namespace: string;
  /** Verbatim. */
  labelSelector: string;
  fieldSelector: string;
  representation: Representation["as"];
  /** For Tables: the media range and `includeObject`, which change what the rows hold. */
  variant: string;
}

const METADATA = "g=meta.k8s.io;v=v1";

/**
 * What the agent asks the cloud for on behalf of a client; undefined when the client takes nothing that
 * the agent can read (protobuf alone, for instance).
 */
export function chooseRepresentation(accept: string | null): Representation | undefined {
  for (const range of parseAccept(accept)) {
    const representation = toRepresentation(range);
    if (representation !== undefined) return representation;
  }
  return undefined;
}

function toRepresentation({ type, params, text }: MediaRange): Representation | undefined {
  const json = type === "application/json" || type === "application/*" || type === "*/*";
  if (!json || "stream" in params) return undefined;
  switch (params.as) {
    case undefined:
      return { as: "object", accept: "application/json" };
    case "PartialObjectMetadata":
    case "PartialObjectMetadataList":
      if (params.g !== "meta.k8s.io" || params.v !== "v1") return undefined;
      return { as: "metadata", accept: text };
    case "Table":
      return { as: "table", accept: `${text},application/json` };
    default:
      return undefined;
  }
}

/** The scope of a request for a collection. */
export function scopeOf(
  caller: string,
  request: ResourceRequest,
  query: URLSearchParams,
  representation: Representation,
): Scope {
  const { group, version, resource, namespace } = request;
  const table = representation.as === "table";
  return {
    caller,
    group,
    version,
    resource,
    namespace,
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: sortTerms(query.get("fieldSelector") ?? ""),
    representation: representation.as,
    variant: table ? `${representation.accept}|${query.get("includeObject") ?? ""}` : "",
  };
}

/** client-go builds field selectors from maps: their terms come in any order, and mean the same. */
function sortTerms(fieldSelector: string): string {
  return fieldSelector.includes("\\") ? fieldSelector : fieldSelector.split(",").sort().join(",");
}

/** The scope as the text by which the store knows it. */
export function formatScope(scope: Scope): string {
  const { caller, namespace, labelSelector, fieldSelector, representation, variant } = scope;
  return JSON.stringify([
    caller,
    formatGvr(scope),
    namespace,
    labelSelector,
    fieldSelector,
    representation,
    variant,
  ]);
}

/** The reverse of {@linkcode formatScope}. @throws {SyntaxError} */
export function parseScope(text: string): Scope {
  const fields = JSON.parse(text) as unknown;
  if (!Array.isArray(fields) || fields.length !== 7 || fields.some((f) => typeof f !== "string")) {
    throw new SyntaxError(`Cannot read the scope ${text}`);
  }
  const [caller, gvr, namespace, labelSelector, fieldSelector, representation, variant] =
    fields as [string, string, string, string, string, Representation["as"], string];
  const [resource = "", version = "", group = ""] = gvr.split("/").reverse();
  return {
    caller,
    group,
    version,
    resource,
    namespace,
    labelSelector,
    fieldSelector,
    representation,
    variant,
  };
}

/** How the scope is asked for upstream. */
export function scopeTarget(
  scope: Scope,
): { path: string; query: Record<string, string>; listAccept: string; watchAccept: string } {
  const { namespace, labelSelector, fieldSelector, representation, variant } = scope;
  const accept = representation === "table" ? variant.split("|")[0]! : "application/json";
  const metadata = representation === "metadata";
  return {
    path: collectionPath(scope, namespace),
    query: {
      ...(labelSelector !== "" && { labelSelector }),
      ...(fieldSelector !== "" && { fieldSelector }),
    },
    listAccept: metadata ? `application/json;as=PartialObjectMetadataList;${METADATA}` : accept,
    watchAccept: metadata ? `application/json;as=PartialObjectMetadata;${METADATA}` : accept,
  };
}
