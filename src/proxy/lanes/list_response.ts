import { concatBytes } from "../../kube/codec/json.ts";
import { formatListOpening, LIST_CLOSING } from "../../kube/codec/list.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus, statusResponse } from "../../kube/status.ts";
import type { Hub } from "../hub/hub.ts";
import { DamagedError, type Snapshot } from "../store/snapshot.ts";

/** Which part of a hub a list shows. */
export interface ListOptions {
  /** Keys from here (exclusive) up to there (exclusive). */
  range?: { after?: string; before?: string };
  /** Objects per page; 0 for all. */
  limit: number;
  /** Version of the first page, for a later one; nothing has changed since. */
  resourceVersion?: string;
  /** Leaves objects out: a selector over a wider scope. */
  filter?: (object: StoredObject) => boolean;
  headers?: HeadersInit;
}

const [COMMA, SPACE] = [",", " "].map((text) => new TextEncoder().encode(text)) as [
  Uint8Array,
  Uint8Array,
];
const HEADERS = { "content-type": "application/json", "cache-control": "no-cache, private" };

/** Marks the agent's own continue tokens; those of the cloud are base64 of JSON. */
const TOKEN_PREFIX = "edge-agent.";

/** Where a page ended. */
export interface ContinueToken {
  resourceVersion: string;
  after: string;
}

/** A token for the next page. */
export function formatContinue({ resourceVersion, after }: ContinueToken): string {
  return TOKEN_PREFIX + btoa(`${resourceVersion}/${after}`).replaceAll("=", "");
}

/** Reads a token of the agent; undefined for any other text. */
export function parseContinue(text: string): ContinueToken | undefined {
  if (!text.startsWith(TOKEN_PREFIX)) return undefined;
  try {
    const [, resourceVersion = "", after = ""] = /^([^/]*)\/(.*)$/s.exec(
      atob(text.slice(TOKEN_PREFIX.length)),
    ) ?? [];
    return isResourceVersion(resourceVersion) && after !== ""
      ? { resourceVersion, after }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The next page of a list of `hub`; 410 when the hub has moved on since the token was given. */
export function listNextPage(hub: Hub, token: ContinueToken, options: ListOptions): Response {
  if (compareResourceVersions(hub.changeVersion, token.resourceVersion) > 0) {
    return statusResponse(expiredStatus(
      "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
    ));
  }
  const { resourceVersion, after: behind } = token;
  const { after = "", before } = options.range ?? {};
  const range = { after: behind > after ? behind : after, before };
  return listHub(hub, { ...options, range, resourceVersion });
}

/** A list of what a hub holds, as a stream: memory does not grow with the cluster. */
export function listHub(hub: Hub, options: ListOptions): Response {
  const { resourceVersion = hub.resourceVersion } = options;
  const head = { ...hub.head!, resourceVersion, continue: "" };
  const snapshot = hub.content.snapshot(options.range);
  const headers = new Headers(options.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  try {
    if (options.limit > 0) {
      const { objects, more } = takePage(snapshot, options);
      const last = objects.at(-1);
      if (more && last !== undefined) {
        head.continue = formatContinue({ resourceVersion, after: last.key });
      }
      const parts = [formatListOpening(head), ...joinBodies(objects, true), LIST_CLOSING];
      return new Response(concatBytes(parts) as Uint8Array<ArrayBuffer>, { headers });
    }
    return new Response(streamList(hub, snapshot, formatListOpening(head), options), { headers });
  } catch (error) {
    snapshot[Symbol.dispose]();
    if (!(error instanceof DamagedError)) throw error;
    hub.damaged(error.key);
    return statusResponse({
      code: 504,
      reason: "Timeout",
      message: `${error.message}: it is fetched anew`,
    });
  }
}

function takePage(
  snapshot: Snapshot,
  { limit, filter = () => true }: ListOptions,
): { objects: StoredObject[]; more: boolean } {
  using _ = snapshot;
  const objects: StoredObject[] = [];
  for (;;) {
    const slice = snapshot.next();
    if (slice.length === 0) return { objects, more: false };
    for (const object of slice) {
      if (!filter(object)) continue;
      if (objects.length === limit) return { objects, more: true };
      objects.push(object);
    }
  }
}

function streamList(
  hub: Hub,
  snapshot: Snapshot,
  opening: Uint8Array,
  { filter = () => true }: ListOptions,
): ReadableStream<Uint8Array> {
  let parts: Uint8Array[] = [opening];
  let empty = true;
  // Read before the status is sent: damage at the start is an honest 504.
  let slice: StoredObject[] | undefined = snapshot.next();
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      try {
        const objects = slice ?? snapshot.next();
        slice = undefined;
        const bodies = joinBodies(objects.filter(filter), empty);
        empty &&= bodies.length === 0;
        const last = objects.length === 0;
        // Never empty: a stream that hands over nothing is not asked again.
        controller.enqueue(concatBytes([...parts, ...bodies, last ? LIST_CLOSING : SPACE]));
        parts = [];
        if (last) controller.close();
      } catch (error) {
        snapshot[Symbol.dispose]();
        if (error instanceof DamagedError) hub.damaged(error.key);
        // The body breaks off: the client sees that the list is not whole.
        controller.error(error);
      }
    },
    cancel() {
      snapshot[Symbol.dispose]();
    },
  }, { highWaterMark: 0 });
}

function joinBodies(objects: readonly StoredObject[], first: boolean): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const { body } of objects) {
    if (!first || parts.length > 0) parts.push(COMMA);
    parts.push(body);
  }
  return parts;
}
