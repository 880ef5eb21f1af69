/**
 * Answers of the agent beside those of the real kube-apiserver.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type FetchPath, type KubeObject, PATIENCE_MS } from "./site.ts";

/** Accept headers of the three JSON representations. */
export const ACCEPT = {
  object: "application/json",
  metadata: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
  table: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
} as const;

/** The same for one object. */
export const ACCEPT_ONE = {
  ...ACCEPT,
  metadata: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
} as const;

/** An answer, decoded. */
export interface Decoded {
  readonly status: number;
  readonly contentType: string;
  readonly warning: string | null;
  /** Only answers from the cache have one. */
  readonly age: string | null;
  readonly body: KubeObject;
}

/** Fetches and decodes; throws when that takes too long. */
export async function decode(
  fetchPath: FetchPath,
  path: string,
  accept: string = ACCEPT.object,
): Promise<Decoded> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error(`${path} was not answered`)), PATIENCE_MS);
  let text: string;
  let response: Response;
  try {
    response = await fetchPath(path, { headers: { accept }, signal: stop.signal });
    text = await response.text();
  } finally {
    clearTimeout(timer);
  }
  const { status, headers } = response;
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = { text };
  }
  return {
    status,
    contentType: headers.get("content-type") ?? "",
    warning: headers.get("warning"),
    age: headers.get("age"),
    body,
  };
}

/** Asserts that an answer is the `Status` of a refusal. */
export function assertStatus(answer: Decoded, code: number, reason: string, what = ""): void {
  const { status, body } = answer;
  assert.deepEqual(
    [status, body.kind, body.code, body.reason],
    [code, "Status", code, reason],
    what,
  );
}

/** The names in a list or a Table, in their order. */
export function namesOf({ items, rows }: KubeObject): string[] {
  return (items ?? rows?.map(({ object }) => object) ?? []).map(({ metadata }) => metadata.name);
}

/**
 * Asserts that two answers say the same. A list's own resourceVersion may be another (and the second
 * answer's no older); ages in Tables pass while one looks.
 */
export function assertSame(agent: Decoded, real: Decoded, what: string): void {
  const [a, b] = [agent, real].map(({ status, contentType, body }) => ({
    status,
    contentType,
    body: withoutTime(body),
  }));
  assert.deepEqual(a, b, what);
}

function withoutTime(body: KubeObject): unknown {
  const { items, rows, columnDefinitions, metadata } = body;
  if (!/(List|Table)$/.test(body.kind ?? "")) return body;
  const { resourceVersion: _, ...rest } = metadata;
  const age = columnDefinitions?.findIndex(({ name }) => name === "Age") ?? -1;
  return {
    ...body,
    metadata: rest,
    // Without objects some of the cloud's lists hold null, some []: clients make no difference.
    items: items ?? [],
    ...(rows && {
      rows: rows.map((row) => ({
        ...row,
        cells: row.cells.map((cell, i) => i === age ? "age" : cell),
      })),
    }),
  };
}
