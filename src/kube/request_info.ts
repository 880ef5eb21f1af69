/**
 * What a request to a Kubernetes API touches. A port of the rules of
 * `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`.
 */

/** The verbs that the lanes tell apart. */
export type Verb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "patch"
  | "delete"
  | "deletecollection";

/** Group, version and resource; the core group is the empty string. */
export interface Gvr {
  group: string;
  version: string;
  resource: string;
}

/** A request for objects of one resource. */
export interface ResourceRequest extends Gvr {
  kind: "resource";
  verb: Verb;
  /** Empty for cluster-scoped resources and for all namespaces. */
  namespace: string;
  /** Empty for a collection. */
  name: string;
  subresource: string;
}

/** Discovery, health, OpenAPI and whatever else is not an object. */
export interface NonResourceRequest {
  kind: "non-resource";
  method: string;
  path: string;
}

/** Either of the two. */
export type RequestInfo = ResourceRequest | NonResourceRequest;

const WRITE_VERBS: Record<string, Verb> = { POST: "create", PUT: "update", PATCH: "patch" };

/** Subresources of a Namespace, which would otherwise read as resources inside it. */
const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);

/**
 * Reads a request line.
 *
 * @param path the path as it came, percent-encoded
 * @throws {SyntaxError} on a path that no kube-apiserver would be sent: broken encoding, `.` or `..`, what a URL
 * does not hold unencoded
 */
export function parseRequestInfo(
  method: string,
  path: string,
  query: URLSearchParams,
): RequestInfo {
  const parts = segments(path);
  const verbMethod = method.toUpperCase();
  const other: NonResourceRequest = { kind: "non-resource", method: verbMethod, path };
  let rest: string[];
  let group = "";
  let version: string;
  if (parts[0] === "api" && parts.length >= 3) {
    [, version = "", ...rest] = parts;
  } else if (parts[0] === "apis" && parts.length >= 4) {
    [, group = "", version = "", ...rest] = parts;
  } else {
    return other;
  }
  const legacyWatch = rest[0] === "watch" && rest.length > 1;
  if (legacyWatch) rest = rest.slice(1);

  let namespace = "";
  let [resource = "", name = "", subresource = ""] = rest;
  if (resource === "namespaces" && name !== "") {
    namespace = name;
    if (rest.length > 2 && !NAMESPACE_SUBRESOURCES.has(rest[2] ?? "")) {
      [, , resource = "", name = "", subresource = ""] = rest;
    }
  }
  if (resource === "") return other;
  const verb = legacyWatch ? "watch" : verbOf(verbMethod, name, query);
  if (verb === undefined) return other;
  return { kind: "resource", verb, group, version, resource, namespace, name, subresource };
}

function verbOf(method: string, name: string, query: URLSearchParams): Verb | undefined {
  if (method === "GET" || method === "HEAD") {
    if (name !== "") return "get";
    return isTrue(query.get("watch")) ? "watch" : "list";
  }
  if (method === "DELETE") return name === "" ? "deletecollection" : "delete";
  return WRITE_VERBS[method];
}

/** A bool parameter, as kube-apiserver reads it: present and neither "false" nor "0". */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== "false" && value !== "0";
}

/** As kube-apiserver: decoded first and cut afterwards, so that an encoded slash parts segments too. */
function segments(path: string): string[] {
  // What is sent on must be what was judged: on its way every URL parser reads `\\` as `/` and drops `#…`.
  if (!path.startsWith("/") || new URL(`http://host${path}`).pathname !== path) {
    throw new SyntaxError(`Cannot read the request path: "${path}" has characters that no URL has`);
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    throw new SyntaxError(`Cannot read the request path: "${path}" is not valid percent-encoding`);
  }
  const parts = decoded.split("/").filter((part) => part !== "");
  const dots = parts.find((part) => part === "." || part === "..");
  if (dots !== undefined) {
    throw new SyntaxError(`Cannot read the request path: it contains the segment "${dots}"`);
  }
  return parts;
}

/** `apps/v1/deployments`, `v1/pods`: how a resource reads in keys and messages. */
export function formatGvr({ group, version, resource }: Gvr): string {
  return group === "" ? `${version}/${resource}` : `${group}/${version}/${resource}`;
}

/** The namespace that a named object lies in: a Namespace itself lies in none, whatever its path says. */
export function namespaceOf({ group, resource, namespace }: ResourceRequest): string {
  return group === "" && resource === "namespaces" ? "" : namespace;
}

/** The path of a collection, as sent to the kube-apiserver. */
export function collectionPath({ group, version, resource }: Gvr, namespace: string): string {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const inside = namespace === "" ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${inside}/${resource}`;
}
