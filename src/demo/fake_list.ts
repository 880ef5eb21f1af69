import type { Clock } from "../kernel/clock.ts";
import type { FakeResource } from "./fake_resources.ts";
import { selectorOf } from "./fake_selector.ts";
import { badRequest, expired, invalidOptions, tooLarge } from "./fake_status.ts";
import type { FakeStore } from "./fake_store.ts";
import { renderList, type View } from "./fake_views.ts";

/** How long a list waits for a resourceVersion that is not there yet, ms; as the watch cache does. */
const FRESHNESS_WAIT_MS = 3_000;

const EXPIRED_CONTINUE =
  "The provided continue parameter is too old to display a consistent list result. You can start a new " +
  "list without the continue parameter, or use the continue token in this response to retrieve the " +
  "remainder of the results. Continuing with the provided token results in an inconsistent list - " +
  "objects that were created, modified, or deleted between the time the first chunk was returned and now " +
  "may show up in the list.";

/** What a LIST or WATCH is about. */
export interface Target {
  store: FakeStore;
  clock: Clock;
  resource: FakeResource;
  /** Empty for cluster-scoped resources and for all namespaces. */
  namespace: string;
  query: URLSearchParams;
  view: View;
}

interface Continue {
  rv: number;
  /** Key of the last item handed out. */
  after: string;
}

/**
 * The body of a LIST, with the semantics of resourceVersion, resourceVersionMatch, limit and continue.
 * @throws {StatusError} 400, 410, 422 or 504.
 */
export async function listBody(target: Target): Promise<unknown> {
  const { store, clock, resource, namespace, query, view } = target;
  const selector = selectorOf(resource, query);
  const token = query.get("continue") ?? "";
  const resourceVersion = query.get("resourceVersion") ?? "";
  checkListOptions(query, token, resourceVersion);
  // The watch cache answers resourceVersion=0 and ignores the limit.
  const limit = resourceVersion === "0" ? 0 : Number(query.get("limit") ?? 0);

  let at: number;
  let after = "";
  if (token !== "") {
    ({ rv: at, after } = decodeContinue(token, namespace));
    if (at === -1) at = store.resourceVersion;
    if (at < store.oldestOf(resource)) {
      const error = expired(EXPIRED_CONTINUE);
      error.status.metadata.continue = encodeContinue({ rv: -1, after }, namespace);
      throw error;
    }
  } else {
    const asked = parseResourceVersion(resourceVersion);
    if (asked > store.resourceVersion) await waitFor(store, clock, asked);
    // A limit with a resourceVersion and no match means exactly that one, as it did before matches existed.
    const match = query.get("resourceVersionMatch") ?? (limit > 0 ? "Exact" : "NotOlderThan");
    at = asked > 0 && match === "Exact" ? asked : store.resourceVersion;
  }

  const rest = store.list(resource, namespace, at).filter((object) =>
    selector(object) && keyOf(object.metadata) > after
  );
  const page = limit > 0 ? rest.slice(0, limit) : rest;
  const last = page.at(-1);
  const more = rest.length - page.length;
  const selective = query.get("labelSelector") || query.get("fieldSelector");
  const metadata = {
    resourceVersion: String(at),
    ...(more > 0 && last && {
      continue: encodeContinue({ rv: at, after: keyOf(last.metadata) }, namespace),
    }),
    ...(more > 0 && !selective && { remainingItemCount: more }),
  };
  return renderList(view, resource, page, metadata, clock.now());
}

/** A resourceVersion as a number; the empty one is 0. */
export function parseResourceVersion(text: string): number {
  if (!/^\d*$/.test(text)) {
    const why = `Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`;
    throw badRequest(`invalid resource version: resourceVersion: ${why}`);
  }
  return Number(text);
}

/**
 * Resolves when the store has reached a resourceVersion.
 * @throws {StatusError} 504 when it doesn't within the time the watch cache gives it.
 */
export async function waitFor(store: FakeStore, clock: Clock, asked: number): Promise<void> {
  const reached = new AbortController();
  const unsubscribe = store.subscribe(() => {
    if (store.resourceVersion >= asked) reached.abort();
  });
  await clock.sleep(FRESHNESS_WAIT_MS, reached.signal);
  unsubscribe();
  if (store.resourceVersion < asked) throw tooLarge(asked, store.resourceVersion);
}

/** True unless absent, `0` or `false`, as apimachinery reads booleans of a query. */
export function isTrue(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

function checkListOptions(query: URLSearchParams, token: string, resourceVersion: string): void {
  const match = query.get("resourceVersionMatch") ?? "";
  if (query.has("sendInitialEvents")) {
    throw invalidOptions("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list");
  }
  if (token !== "" && resourceVersion !== "" && resourceVersion !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  if (match === "") return;
  const field = "resourceVersionMatch";
  if (token !== "") {
    throw invalidOptions(
      field,
      "Forbidden: resourceVersionMatch is forbidden when continue is provided",
    );
  }
  if (resourceVersion === "") {
    throw invalidOptions(
      field,
      "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
  }
  if (match !== "Exact" && match !== "NotOlderThan") {
    throw invalidOptions(
      field,
      `Unsupported value: "${match}": supported values: "Exact", "NotOlderThan", ""`,
    );
  }
  if (match === "Exact" && resourceVersion === "0") {
    throw invalidOptions(
      field,
      'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    );
  }
}

/** As the apiserver's storage/continue.go: the key is relative to the collection. */
function encodeContinue({ rv, after }: Continue, namespace: string): string {
  const start = `/${namespace ? after.slice(namespace.length + 1) : after}\0`;
  return btoa(JSON.stringify({ v: "meta.k8s.io/v1", rv, start })).replace(/=+$/, "");
}

function decodeContinue(token: string, namespace: string): Continue {
  try {
    const { rv, start } = JSON.parse(atob(token)) as { rv: unknown; start: unknown };
    if (typeof rv === "number" && typeof start === "string") {
      const key = start.replace(/^\//, "").replace(/\0$/, "");
      return { rv, after: namespace ? `${namespace}/${key}` : key };
    }
  } catch {
    // Not base64 or not JSON: answered below.
  }
  throw badRequest(`continue key is not valid: ${token}`);
}

function keyOf({ namespace, name }: { namespace?: string; name: string }): string {
  return namespace ? `${namespace}/${name}` : name;
}
