import assert from "node:assert/strict";
import { WatchReader } from "./watch_reader.ts";

/** The server under test. */
export interface ContractTarget extends AsyncDisposable {
  /** `path` begins with a slash; credentials are added. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A namespaced custom resource that the server knows; without it its cases are passed over. */
  customResource?: { apiVersion: string; kind: string; resource: string };
  /** Forgets all events up to now; without it the cases about 410 are passed over. */
  compact?(): Promise<void>;
}

/** One behaviour. */
export interface ContractCase {
  name: string;
  run(scratch: Scratch): Promise<void>;
}

/** Kubernetes JSON as far as the suite looks into it. */
export interface Json {
  kind?: string;
  apiVersion?: string;
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    creationTimestamp: string;
    continue?: string;
    remainingItemCount?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  items: Json[];
  // deno-lint-ignore no-explicit-any -- the rest is looked at field by field
  [field: string]: any;
}

/** A namespace of one test. Secrets are its plain objects: nothing creates one in a new namespace. */
export class Scratch implements AsyncDisposable {
  readonly namespace: string;
  readonly target: ContractTarget;

  private constructor(target: ContractTarget) {
    this.target = target;
    this.namespace = `contract-${crypto.randomUUID().slice(0, 8)}`;
  }

  static async create(target: ContractTarget): Promise<Scratch> {
    const scratch = new Scratch(target);
    await scratch.send("POST", "/api/v1/namespaces", { metadata: { name: scratch.namespace } });
    return scratch;
  }

  /** Path of the namespace's secrets, or of one. */
  secrets(nameOrQuery = ""): string {
    const rest = nameOrQuery === "" || nameOrQuery.startsWith("?")
      ? nameOrQuery
      : `/${nameOrQuery}`;
    return `/api/v1/namespaces/${this.namespace}/secrets${rest}`;
  }

  /** The answer, which must have the wanted code, parsed. */
  async get(path: string, code = 200, headers: Record<string, string> = {}): Promise<Json> {
    const response = await this.target.fetch(path, { headers });
    const text = await response.text();
    assert.equal(response.status, code, `GET ${path}: ${text.slice(0, 300)}`);
    return JSON.parse(text);
  }

  /** Sends a body; the answer must be a success unless another code is wanted. */
  async send(method: string, path: string, body?: unknown, code?: number): Promise<Json> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const response = await this.target.fetch(path, {
      method,
      headers: { "content-type": type },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const right = code === undefined ? response.ok : response.status === code;
    assert.ok(right, `${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
    return JSON.parse(text);
  }

  createSecret(name: string, labels: Record<string, string> = {}): Promise<Json> {
    const body = { metadata: { name, labels }, type: "Opaque", data: { k: btoa(name) } };
    return this.send("POST", this.secrets(), body, 201);
  }

  createSecrets(...names: string[]): Promise<Json[]> {
    // One after the other: their resourceVersions are in that order.
    return names.reduce(
      async (before, name) => [...await before, await this.createSecret(name)],
      Promise.resolve<Json[]>([]),
    );
  }

  /** Opens a watch of the namespace's secrets that ends by itself after 10 s unless the query says when. */
  async watch(query = "", accept = "application/json"): Promise<WatchReader> {
    const path = this.secrets(`?watch=true&timeoutSeconds=10&${query}`);
    // The last of two equal parameters must not depend on how a server reads them.
    const url = query.includes("timeoutSeconds") ? path.replace("timeoutSeconds=10&", "") : path;
    const response = await this.target.fetch(url, { headers: { accept } });
    assert.equal(response.status, 200);
    return new WatchReader(response);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.send("DELETE", `/api/v1/namespaces/${this.namespace}`);
  }
}

/** The names of a list's items, in their order. */
export function namesOf({ items }: Json): string[] {
  return items.map(({ metadata }) => metadata.name);
}

/** A resourceVersion as a number. */
export function rvOf({ metadata }: Json): number {
  assert.match(metadata.resourceVersion, /^[1-9]\d*$/);
  return Number(metadata.resourceVersion);
}
