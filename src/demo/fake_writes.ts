import type { FakeResource, KubeObject } from "./fake_resources.ts";
import { badRequest, failure, notFound, StatusError } from "./fake_status.ts";
import type { FakeStore } from "./fake_store.ts";

/** A write to one object or, for POST, to a collection. */
export interface Write {
  store: FakeStore;
  resource: FakeResource;
  namespace: string;
  name: string;
  /** The parsed body; undefined when there was none. */
  body: unknown;
}

/** Creates an object, in a namespace that exists. */
export function post(
  { store, resource, namespace, body }: Write,
  namespaces: FakeResource,
): KubeObject {
  const object = objectOf(body, resource);
  if (resource.namespaced && !store.has(namespaces, "", namespace)) {
    throw notFound(namespaces, namespace);
  }
  const { name, generateName } = object.metadata;
  if (name === undefined && typeof generateName !== "string") {
    const why = "Required value: name or generateName is required";
    throw failure(422, "Invalid", `${resource.kind} "" is invalid: metadata.name: ${why}`);
  }
  const suffix = crypto.randomUUID().slice(0, 5);
  const metadata = { ...object.metadata, name: name ?? `${generateName}${suffix}` };
  return store.create(resource, namespace, { ...object, metadata });
}

/** Replaces an object. */
export function put({ store, resource, namespace, name, body }: Write): KubeObject {
  const object = objectOf(body, resource);
  if (object.metadata.name !== name) {
    const given = object.metadata.name;
    throw badRequest(
      `the name of the object (${given}) does not match the name on the URL (${name})`,
    );
  }
  return store.update(resource, namespace, object);
}

/** Merges a patch (RFC 7396) into an object; strategic merge patches are taken for the same. */
export function patch({ store, resource, namespace, name, body }: Write): KubeObject {
  const current = store.get(resource, namespace, name);
  return store.update(resource, namespace, merge(current, body) as KubeObject);
}

/** Deletes an object, a Namespace with all it holds; returns what the real one answers. */
export function remove(
  { store, resource, namespace, name }: Write,
  resources: readonly FakeResource[],
): unknown {
  const last = store.delete(resource, namespace, name);
  if (resource.resource === "namespaces") {
    for (const inside of resources.filter((r) => r.namespaced)) {
      for (const { metadata } of store.list(inside, name)) {
        store.delete(inside, name, metadata.name);
      }
    }
  }
  // Kinds that are deleted gracefully answer with the object, all others with a Status.
  if (["namespaces", "nodes", "pods", "services"].includes(resource.resource)) return last;
  const { group, resource: kind } = resource;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(group !== "" && { group }), kind, uid: last.metadata.uid },
  };
}

/** Turns any error of a handler into a Status; a bug of the fake becomes a 500 with its message. */
export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  return failure(500, "InternalError", `Internal error occurred: ${error}`);
}

function objectOf(body: unknown, { kind }: FakeResource): KubeObject {
  const object = body as Partial<KubeObject> | undefined;
  if (object === undefined || object === null || typeof object.metadata !== "object") {
    throw badRequest(`the object provided is unrecognized (must be of type ${kind})`);
  }
  if (object.kind !== undefined && object.kind !== kind) {
    throw badRequest(`no kind "${object.kind}" is registered here; expected "${kind}"`);
  }
  return object as KubeObject;
}

function merge(target: unknown, change: unknown): unknown {
  if (!isRecord(change)) return change;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
