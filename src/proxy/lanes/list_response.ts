import { concatBytes } from "../../kube/codec/json.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { compareResourceVersions, isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus, statusResponse } from "../../kube/status.ts";
import type { Hub } from "../hub/hub.ts";
import { streamList } from "./list_stream.ts";
import { DamagedError } from "../store/rows.ts";
import type { Snapshot } from "../store/snapshot.ts";

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

/** A list of what a hub holds: a page at once, or all of it as a stream. */
export function listHub(hub: Hub, options: ListOptions): Response {
  const { resourceVersion = hub.resourceVersion, range, limit, filter = () => true } = options;
  const { encoding } = hub;
  const head = { ...hub.head!, resourceVersion, continue: "" };
  const headers = new Headers(options.headers);
  headers.set("content-type", encoding.contentType);
  headers.set("cache-control", "no-cache, private");
  try {
    if (limit === 0) return new Response(streamList(hub, { head, range, filter }), { headers });
    const { objects, more } = takePage(hub.content.snapshot(range), limit, filter);
    const last = objects.at(-1);
    if (more && last !== undefined) {
      head.continue = formatContinue({ resourceVersion, after: last.key });
    }
    const items = concatBytes(
      objects.flatMap(({ body }, i) => encoding.formatListItem(body, i === 0)),
    );
    const opening = encoding.formatListOpening(head, items.length);
    const body = concatBytes([opening, items, encoding.listClosing]);
    return new Response(body as Uint8Array<ArrayBuffer>, { headers });
  } catch (error) {
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
  limit: number,
  filter: (object: StoredObject) => boolean,
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
