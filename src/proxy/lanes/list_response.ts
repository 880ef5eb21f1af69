import { concatBytes } from "../../kube/codec/json.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { PARTIAL_METADATA_LIST } from "../../kube/partial_metadata.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import { statusResponse } from "../../kube/status.ts";
import type { Hub } from "../hub/hub.ts";
import type { Scope } from "../hub/scope.ts";
import { showItem, type View } from "../hub/view.ts";
import { type ContinueToken, expiredContinue, formatContinue } from "./continue_token.ts";
import { answerDamaged } from "./damaged.ts";
import { streamList } from "./list_stream.ts";
import type { Snapshot } from "../store/snapshot.ts";

/** Which part of a hub a list shows, and how. */
export interface ListOptions extends View {
  /** Objects per page; 0 for all. */
  limit: number;
  /** Version of the first page, for a later one; nothing has changed since. */
  resourceVersion?: string;
  headers?: HeadersInit;
}

/**
 * The next page of a list of `hub`; 410 when the hub has moved on since the token was given, unless it is one
 * for whatever is there by now.
 */
export function listNextPage(hub: Hub, token: ContinueToken, options: ListOptions): Response {
  const { after: behind } = token;
  const resourceVersion = token.resourceVersion === ""
    ? hub.resourceVersion
    : token.resourceVersion;
  if (compareResourceVersions(hub.changeVersion, resourceVersion) > 0) {
    return statusResponse(expiredContinue(token));
  }
  const { after = "", before } = options.range ?? {};
  const range = { after: behind > after ? behind : after, before };
  return listHub(hub, { ...options, range, resourceVersion });
}

/** A list of what a hub holds: a page at once, or all of it as a stream. */
export function listHub(hub: Hub, options: ListOptions): Response {
  const { resourceVersion = hub.resourceVersion, range, limit, filter, show } = options;
  const { encoding } = hub;
  const type = show === "metadata" ? { ...PARTIAL_METADATA_LIST, extra: {} } : hub.head!;
  const head = { ...type, resourceVersion, continue: "" };
  const view = { range, filter, show };
  const headers = new Headers(options.headers);
  headers.set("content-type", encoding.contentType);
  headers.set("cache-control", "no-cache, private");
  try {
    if (limit === 0) return new Response(streamList(hub, { head, view }), { headers });
    const { objects, more } = takePage(hub.content.snapshot(range), options);
    const last = objects.at(-1);
    let remaining: number | undefined;
    if (more && last !== undefined) {
      head.continue = formatContinue({ resourceVersion, after: last.key });
      // As in the cloud: not counted where a selector leaves some out.
      if (filter === undefined && !isSelective(hub.scope)) {
        remaining = countBehind(hub, last.key, range);
      }
    }
    const items = concatBytes(
      objects.flatMap(({ body }, i) =>
        encoding.formatListItem(showItem(view, encoding, body), i === 0)
      ),
    );
    const opening = encoding.formatListOpening(head, items.length, remaining);
    const body = concatBytes([opening, items, encoding.listClosing]);
    return new Response(body as Uint8Array<ArrayBuffer>, { headers });
  } catch (error) {
    return answerDamaged(hub, error);
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

function isSelective({ labelSelector, fieldSelector }: Scope): boolean {
  return labelSelector !== "" || fieldSelector !== "";
}

function countBehind(hub: Hub, key: string, { before }: View["range"] = {}): number {
  return [...hub.content.versions().keys()]
    .filter((each) => each > key && (before === undefined || each < before)).length;
}
