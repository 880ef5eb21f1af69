import type { FakeResource } from "./fake_resources.ts";
import { isTrue } from "./fake_list.ts";

/** What a request is about. */
export type RequestTarget =
  | { kind: "nonresource" }
  | {
    kind: "resource";
    verb: string;
    resource: FakeResource;
    /** Empty for cluster-scoped resources and for all namespaces. */
    namespace: string;
    /** Empty for a collection. */
    name: string;
    subresource: string;
  };

/** Reads a request as the apiserver's RequestInfoFactory does. */
export function targetOf(
  resources: readonly FakeResource[],
  method: string,
  { pathname, searchParams }: URL,
): RequestTarget {
  const [root, ...parts] = pathname.slice(1).split("/").map(decodeURIComponent);
  let group = "";
  if (root === "apis") group = parts.shift() ?? "";
  else if (root !== "api") return { kind: "nonresource" };
  const version = parts.shift() ?? "";
  let namespace = "";
  // The namespaces/<name> object and its status are not something inside that namespace.
  if (parts[0] === "namespaces" && parts.length > 2 && parts[2] !== "status") {
    namespace = parts[1]!;
    parts.splice(0, 2);
  }
  const [plural, name = "", subresource = "", ...rest] = parts;
  const resource = resources.find((r) =>
    r.resource === plural && r.group === group && r.version === version
  );
  if (resource === undefined || rest.length > 0 || (namespace !== "" && !resource.namespaced)) {
    return { kind: "nonresource" };
  }
  if (subresource !== "" && !resource.subresources?.includes(subresource)) {
    return { kind: "nonresource" };
  }
  const verb = verbOf(method, name, isTrue(searchParams, "watch"));
  return { kind: "resource", verb, resource, namespace, name, subresource };
}

/** Whether a path lies under an API group that is served, whatever its version and resource. */
export function isInServedGroup(resources: readonly FakeResource[], pathname: string): boolean {
  const [, root, group] = pathname.split("/");
  return root === "api" || root === "apis" && resources.some((r) => r.group === group);
}

/** `leases.coordination.k8s.io`, or `pods`; empty for a non-resource request. */
export function nameOf(target: RequestTarget): string {
  if (target.kind === "nonresource") return "";
  const { group, resource } = target.resource;
  return group === "" ? resource : `${resource}.${group}`;
}

function verbOf(method: string, name: string, watch: boolean): string {
  switch (method) {
    case "GET":
    case "HEAD":
      if (name !== "") return "get";
      return watch ? "watch" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    default:
      return "delete";
  }
}
