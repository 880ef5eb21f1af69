import type { EncodingName } from "../../kube/codec/encoding.ts";
import { ENCODINGS } from "../../kube/codec/encodings.ts";
import type { ReflectorTarget } from "../../kube/reflector.ts";
import {
  collectionPath,
  formatGvr,
  type Gvr,
  type ResourceRequest,
} from "../../kube/request_info.ts";
import { METADATA_PARAMS, type Representation } from "./representation.ts";

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
  encoding: EncodingName;
  /** For Tables: the media range and `includeObject`, which change what the rows hold. */
  variant: string;
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
    encoding: representation.encoding,
    variant: table ? `${representation.accept}|${query.get("includeObject") ?? ""}` : "",
  };
}

/** client-go builds field selectors from maps: their terms come in any order, and mean the same. */
function sortTerms(fieldSelector: string): string {
  return fieldSelector.includes("\\") ? fieldSelector : fieldSelector.split(",").sort().join(",");
}

/** The scope as the text by which the store knows it. */
export function formatScope(scope: Scope): string {
  const { caller, namespace, labelSelector, fieldSelector, representation, encoding } = scope;
  return JSON.stringify([
    caller,
    formatGvr(scope),
    namespace,
    labelSelector,
    fieldSelector,
    representation,
    scope.variant,
    // Left out for JSON, the only one there was when keys had seven fields.
    ...(encoding === "json" ? [] : [encoding]),
  ]);
}

type ScopeTexts = [string, string, string, string, string];

/** The reverse of {@linkcode formatScope}. @throws {SyntaxError} */
export function parseScope(text: string): Scope {
  const fields = JSON.parse(text) as unknown;
  if (
    !Array.isArray(fields) || fields.some((field) => typeof field !== "string") ||
    !(fields.length === 7 || (fields.length === 8 && Object.hasOwn(ENCODINGS, fields[7])))
  ) {
    throw new SyntaxError(`Cannot read the scope ${text}`);
  }
  const [caller, gvr, namespace, labelSelector, fieldSelector, representation, variant, encoding] =
    fields as [...texts: ScopeTexts, Representation["as"], string, EncodingName | undefined];
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
    encoding: encoding ?? "json",
    variant,
  };
}

/** How the scope is asked for upstream. */
export function scopeTarget(scope: Scope): ReflectorTarget {
  const { namespace, labelSelector, fieldSelector, representation, variant } = scope;
  const encoding = ENCODINGS[scope.encoding];
  const { contentType } = encoding;
  const accept = representation === "table" ? variant.split("|")[0]! : contentType;
  const metadata = representation === "metadata";
  return {
    path: collectionPath(scope, namespace),
    query: {
      ...(labelSelector !== "" && { labelSelector }),
      ...(fieldSelector !== "" && { fieldSelector }),
    },
    listAccept: metadata
      ? `${contentType};as=PartialObjectMetadataList;${METADATA_PARAMS}`
      : accept,
    watchAccept: metadata ? `${contentType};as=PartialObjectMetadata;${METADATA_PARAMS}` : accept,
    encoding,
  };
}

/**
 * Whether a DELETED in this scope means that the object is gone: with a selector it may only have stopped
 * matching. Names never change, nor does a pod's node once it has one.
 */
export function provesDeletion({ labelSelector, fieldSelector }: Scope): boolean {
  return labelSelector === "" &&
    fieldSelector.split(",").every((term) =>
      term === "" || /^(metadata\.name|metadata\.namespace|spec\.nodeName)==?[^!]+$/.test(term)
    );
}
