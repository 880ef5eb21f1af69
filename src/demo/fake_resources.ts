/** An object of any kind, as JSON. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** What the fake reads and writes of metav1 `ObjectMeta`. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  creationTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  [field: string]: unknown;
}

/** A resource that the fake serves. */
export interface FakeResource {
  /** Empty for the core group. */
  group: string;
  version: string;
  /** Plural, as in the path. */
  resource: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  shortNames?: string[];
  /** Defined by a CustomResourceDefinition: such list items carry kind and apiVersion. */
  custom?: boolean;
  /** Field labels beyond `metadata.name` and `metadata.namespace`. */
  fields?: string[];
  /** Subresources, as discovery lists them. */
  subresources?: string[];
}

const core = { group: "", version: "v1" };

/** What a fresh fake serves; more can be given to it. */
export const RESOURCES: readonly FakeResource[] = [
  { ...core, ...names("configmaps", "ConfigMap", "cm"), namespaced: true },
  {
    ...core,
    ...names("events", "Event", "ev"),
    namespaced: true,
    fields: ["involvedObject.name", "involvedObject.uid", "reason", "type"],
  },
  {
    ...core,
    ...names("namespaces", "Namespace", "ns"),
    namespaced: false,
    fields: ["status.phase"],
    subresources: ["status"],
  },
  {
    ...core,
    ...names("nodes", "Node", "no"),
    namespaced: false,
    fields: ["spec.unschedulable"],
    subresources: ["status"],
  },
  {
    ...core,
    ...names("pods", "Pod", "po"),
    namespaced: true,
    fields: ["spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy"],
    subresources: ["status"],
  },
  { ...core, ...names("secrets", "Secret"), namespaced: true, fields: ["type"] },
  { ...core, ...names("serviceaccounts", "ServiceAccount", "sa"), namespaced: true },
  {
    ...core,
    ...names("services", "Service", "svc"),
    namespaced: true,
    fields: ["spec.clusterIP", "spec.type"],
    subresources: ["status"],
  },
  {
    group: "apps",
    version: "v1",
    ...names("deployments", "Deployment", "deploy"),
    namespaced: true,
    subresources: ["status"],
  },
  { group: "coordination.k8s.io", version: "v1", ...names("leases", "Lease"), namespaced: true },
  {
    group: "discovery.k8s.io",
    version: "v1",
    ...names("endpointslices", "EndpointSlice"),
    namespaced: true,
  },
  // One resource name in two groups, which a cache must not mix.
  {
    group: "extensions",
    version: "v1beta1",
    ...names("ingresses", "Ingress", "ing"),
    namespaced: true,
  },
  {
    group: "networking.k8s.io",
    version: "v1",
    ...names("ingresses", "Ingress", "ing"),
    namespaced: true,
  },
  { group: "storage.k8s.io", version: "v1", ...names("csinodes", "CSINode"), namespaced: false },
  {
    group: "example.com",
    version: "v1",
    ...names("widgets", "Widget", "wd"),
    namespaced: true,
    custom: true,
  },
];

/** `v1` or `apps/v1`. */
export function apiVersionOf({ group, version }: FakeResource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** `/api/v1` or `/apis/apps/v1`. */
export function rootPathOf({ group, version }: FakeResource): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

/**
 * The one resource that a name like `pods` or `leases.coordination.k8s.io` means.
 * @throws {RangeError} when there is none or more than one.
 */
export function findResource(resources: readonly FakeResource[], name: string): FakeResource {
  const [found, ...others] = resources.filter((r) =>
    name === r.resource || name === `${r.resource}.${r.group}`
  );
  if (found !== undefined && others.length === 0) return found;
  const known = resources.map((r) => `${r.resource}.${r.group}`.replace(/\.$/, "")).join(" ");
  throw new RangeError(`Cannot tell which resource "${name}" is; the fake serves: ${known}`);
}

function names(
  resource: string,
  kind: string,
  shortName?: string,
): Pick<FakeResource, "resource" | "singular" | "kind" | "shortNames"> {
  return {
    resource,
    singular: kind.toLowerCase(),
    kind,
    ...(shortName && { shortNames: [shortName] }),
  };
}
