import { apiVersionOf, type FakeResource, type KubeObject } from "./fake_resources.ts";
import { notAcceptable } from "./fake_status.ts";

/** What a client wants objects turned into. */
export type View =
  | { as: "object" }
  | { as: "Table"; include: "None" | "Metadata" | "Object" }
  | { as: "PartialObjectMetadata" }
  | { as: "PartialObjectMetadataList" };

/** One clause of an Accept header. */
export interface AcceptClause {
  type: string;
  parameters: Map<string, string>;
}

/** The clauses of an Accept header, best first. */
export function parseAccept(accept: string | null): AcceptClause[] {
  if (accept === null || accept.trim() === "") return [{ type: "*/*", parameters: new Map() }];
  return accept.split(",").map((clause) => {
    const [type = "", ...rest] = clause.split(";").map((part) => part.trim());
    const parameters = new Map(rest.map((pair): [string, string] => {
      const [key = "", value = ""] = pair.split("=");
      return [key.toLowerCase(), value];
    }));
    return { type, parameters };
  }).sort((a, b) => qualityOf(b) - qualityOf(a));
}

/**
 * The view that content negotiation chooses. Only JSON is spoken.
 * @throws {StatusError} 406 when the client takes nothing that the fake has.
 */
export function viewOf(accept: string | null, query: URLSearchParams): View {
  for (const { type, parameters } of parseAccept(accept)) {
    if (!["application/json", "application/*", "*/*"].includes(type)) continue;
    const as = parameters.get("as");
    if (as === undefined) return { as: "object" };
    if (parameters.get("g") !== "meta.k8s.io" || parameters.get("v") !== "v1") continue;
    if (as === "Table") {
      const include = query.get("includeObject") || "Metadata";
      if (include === "None" || include === "Metadata" || include === "Object") {
        return { as, include };
      }
    }
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return { as };
  }
  throw notAcceptable();
}

/** One object in a view; `nowMs` is for the ages in a Table. */
export function renderObject(
  view: View,
  resource: FakeResource,
  object: KubeObject,
  nowMs: number,
): unknown {
  switch (view.as) {
    case "object":
      return object;
    case "Table":
      return tableOf(
        view,
        resource,
        [object],
        { resourceVersion: object.metadata.resourceVersion },
        nowMs,
      );
    case "PartialObjectMetadata":
      return partialOf(object);
    case "PartialObjectMetadataList":
      throw notAcceptable(
        "you requested PartialObjectMetadataList, but the requested object is not a list",
      );
    default:
      return view satisfies never;
  }
}

/** A list in a view. */
export function renderList(
  view: View,
  resource: FakeResource,
  objects: KubeObject[],
  metadata: Record<string, unknown>,
  nowMs: number,
): unknown {
  switch (view.as) {
    case "object":
      return listOf(resource, objects, metadata);
    case "Table":
      return tableOf(view, resource, objects, metadata, nowMs);
    case "PartialObjectMetadataList": {
      const items = objects.map(partialOf);
      return { kind: view.as, apiVersion: "meta.k8s.io/v1", metadata, items };
    }
    case "PartialObjectMetadata":
      throw notAcceptable(
        "you requested PartialObjectMetadata, but the requested object is a list",
      );
    default:
      return view satisfies never;
  }
}

/** Go structs of built-in types print kind first and strip it from items; custom resources are sorted maps. */
function listOf(
  resource: FakeResource,
  objects: KubeObject[],
  metadata: Record<string, unknown>,
): unknown {
  const kind = `${resource.kind}List`;
  const apiVersion = apiVersionOf(resource);
  if (resource.custom) {
    return {
      apiVersion,
      items: objects.map(sorted),
      kind,
      metadata: { continue: "", ...metadata },
    };
  }
  const items = objects.map(({ kind: _kind, apiVersion: _apiVersion, ...rest }) => rest);
  return { kind, apiVersion, metadata, items };
}

/** Custom resources are Go maps, which are printed in the order of their keys. */
function sorted(object: KubeObject): unknown {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => a < b ? -1 : 1));
}

function partialOf({ metadata }: KubeObject): KubeObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}

interface Column {
  name: string;
  type: "string" | "date";
  format?: string;
  cell: (object: KubeObject, nowMs: number) => unknown;
}

const NAME: Column = {
  name: "Name",
  type: "string",
  format: "name",
  // A bookmark has no name.
  cell: ({ metadata }) => metadata.name ?? "",
};
const AGE: Column = {
  name: "Age",
  type: "string",
  cell: ({ metadata }, nowMs) => formatAge(nowMs - Date.parse(metadata.creationTimestamp ?? "")),
};
const DATA: Column = {
  name: "Data",
  type: "string",
  cell: (object) => Object.keys((object.data ?? {}) as object).length,
};

function columnsOf({ resource, custom }: FakeResource): Column[] {
  if (custom) return [NAME, { ...AGE, type: "date" }];
  return resource === "configmaps" ? [NAME, DATA, AGE] : [NAME, AGE];
}

function tableOf(
  view: View & { as: "Table" },
  resource: FakeResource,
  objects: KubeObject[],
  metadata: Record<string, unknown>,
  nowMs: number,
): unknown {
  const columns = columnsOf(resource);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: columns.map(({ name, type, format }) => ({
      name,
      type,
      format: format ?? "",
      description: `${name} of the ${resource.kind}`,
      priority: 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object, nowMs)),
      object: included(view.include, object),
    })),
  };
}

function included(include: "None" | "Metadata" | "Object", object: KubeObject): KubeObject | null {
  if (include === "None") return null;
  return include === "Object" ? object : partialOf(object);
}

/** As kubectl shows it: `5s`, `3m`, `7h`, `2d`. */
function formatAge(ageMs: number): string {
  if (!(ageMs >= 0)) return "<unknown>";
  const seconds = Math.floor(ageMs / 1_000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function qualityOf({ parameters }: AcceptClause): number {
  const quality = Number(parameters.get("q") ?? 1);
  return Number.isNaN(quality) ? 1 : quality;
}
