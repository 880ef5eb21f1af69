import { apiVersionOf, type FakeResource, rootPathOf } from "./fake_resources.ts";
import { parseAccept } from "./fake_views.ts";

/** What the fake says it is. */
export const VERSION = {
  major: "1",
  minor: "35",
  emulationMajor: "1",
  emulationMinor: "35",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "34",
  gitVersion: "v1.35.0",
  gitCommit: "0000000000000000000000000000000000000000",
  gitTreeState: "clean",
  buildDate: "2025-12-17T12:00:00Z",
  goVersion: "go1.25.5",
  compiler: "gc",
  platform: "linux/amd64",
};

const VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"];
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Answers discovery and OpenAPI paths; undefined for any other. */
export async function discoveryResponse(
  resources: readonly FakeResource[],
  path: string,
  headers: Headers,
): Promise<Response | undefined> {
  const [, root, group, version, ...rest] = path.replace(/\/$/, "").split("/");
  if (rest.length > 0 && root !== "openapi") return undefined;
  if (root === "api" && version === undefined) {
    if (group === undefined) {
      return wantsAggregated(headers)
        ? await aggregated(resources.filter((r) => r.group === ""), headers)
        : json({ kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] });
    }
    return resourceList(resources, "", group);
  }
  if (root === "apis") {
    if (group === undefined) {
      return wantsAggregated(headers)
        ? await aggregated(resources.filter((r) => r.group !== ""), headers)
        : json({
          kind: "APIGroupList",
          apiVersion: "v1",
          groups: groupsOf(resources).map(apiGroup),
        });
    }
    if (version !== undefined) return resourceList(resources, group, version);
    const known = groupsOf(resources).find(([name]) => name === group);
    return known && json({ kind: "APIGroup", apiVersion: "v1", ...apiGroup(known) });
  }
  if (root === "openapi" && group === "v3") {
    const root = [version, ...rest].filter((part) => part !== undefined).join("/");
    return await openApi(resources, root, headers);
  }
  return undefined;
}

function wantsAggregated(headers: Headers): boolean {
  for (const { type, parameters } of parseAccept(headers.get("accept"))) {
    if (type !== "application/json" && type !== "*/*") continue;
    const as = parameters.get("as");
    if (as === undefined) return false;
    if (as === "APIGroupDiscoveryList" && parameters.get("v") === "v2") return true;
  }
  return false;
}

async function aggregated(resources: readonly FakeResource[], headers: Headers): Promise<Response> {
  const document = {
    kind: "APIGroupDiscoveryList",
    apiVersion: "apidiscovery.k8s.io/v2",
    metadata: {},
    items: groupsOf(resources).map(([group, versions]) => ({
      metadata: { ...(group !== "" && { name: group }) },
      versions: versions.map((version) => ({
        version,
        resources: resources.filter((r) => r.group === group && r.version === version).map((r) => ({
          resource: r.resource,
          responseKind: { group, version, kind: r.kind },
          scope: r.namespaced ? "Namespaced" : "Cluster",
          singularResource: r.singular,
          verbs: VERBS,
          ...(r.shortNames && { shortNames: r.shortNames }),
        })),
        freshness: "Current",
      })),
    })),
  };
  return await tagged(document, headers, { "content-type": AGGREGATED, vary: "Accept" });
}

function resourceList(
  resources: readonly FakeResource[],
  group: string,
  version: string,
): Response | undefined {
  const known = resources.filter((r) => r.group === group && r.version === version);
  if (known.length === 0) return undefined;
  return json({
    kind: "APIResourceList",
    ...(group !== "" && { apiVersion: "v1" }),
    groupVersion: apiVersionOf(known[0]!),
    resources: known.flatMap((r) => [
      {
        name: r.resource,
        singularName: r.singular,
        namespaced: r.namespaced,
        kind: r.kind,
        verbs: VERBS,
        ...(r.shortNames && { shortNames: r.shortNames }),
      },
      ...(r.subresources ?? []).map((subresource) => ({
        name: `${r.resource}/${subresource}`,
        singularName: "",
        namespaced: r.namespaced,
        kind: r.kind,
        verbs: ["get", "patch", "update"],
      })),
    ]),
  });
}

async function openApi(
  resources: readonly FakeResource[],
  root: string,
  headers: Headers,
): Promise<Response | undefined> {
  const roots = [...new Set(resources.map((r) => rootPathOf(r).slice(1)))];
  if (root === "") {
    const entries = await Promise.all(roots.map(async (path) => {
      const hash = (await hashOf(JSON.stringify(openApiDocument(resources, path)))).toUpperCase();
      return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
    }));
    return await tagged({ paths: Object.fromEntries(entries) }, headers);
  }
  return roots.includes(root) ? await tagged(openApiDocument(resources, root), headers) : undefined;
}

function openApiDocument(resources: readonly FakeResource[], root: string): unknown {
  const known = resources.filter((r) => rootPathOf(r).slice(1) === root);
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: VERSION.gitVersion },
    paths: Object.fromEntries(known.map((r) => [`/${root}/${r.resource}`, {}])),
    components: {
      schemas: Object.fromEntries(known.map((r) => [
        `${r.group || "core"}.${r.version}.${r.kind}`,
        {
          type: "object",
          description: `${r.kind} of the embedded cluster`,
          "x-kubernetes-group-version-kind": [
            { group: r.group, kind: r.kind, version: r.version },
          ],
        },
      ])),
    },
  };
}

async function tagged(
  document: unknown,
  headers: Headers,
  extra: Record<string, string> = {},
): Promise<Response> {
  const etag = `"${(await hashOf(JSON.stringify(document))).toUpperCase()}"`;
  if (headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers: { etag } });
  }
  return json(document, { etag, ...extra });
}

function json(document: unknown, headers: Record<string, string> = {}): Response {
  return new Response(`${JSON.stringify(document)}\n`, {
    headers: {
      "cache-control": "no-cache, private",
      "content-type": "application/json",
      ...headers,
    },
  });
}

function groupsOf(resources: readonly FakeResource[]): [string, string[]][] {
  const groups = new Map<string, Set<string>>();
  for (const { group, version } of resources) {
    groups.set(group, (groups.get(group) ?? new Set()).add(version));
  }
  return [...groups].map(([group, versions]) => [group, [...versions]]);
}

function apiGroup([name, versions]: [string, string[]]): Record<string, unknown> {
  const entries = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-512", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
