import { ENCODINGS } from "../../kube/codec/encodings.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import { matchesSelector, parseFieldSelector, parseLabelSelector } from "../../kube/selector.ts";
import type { Hub } from "../hub/hub.ts";
import { isHeld, newest } from "../hub/choose_hub.ts";
import { acceptedRepresentations } from "../hub/representation.ts";
import { formatScope, type Scope } from "../hub/scope.ts";
import type { Scopes } from "../hub/scopes.ts";
import type { View } from "../hub/view.ts";
import type { KeptAnswers } from "../store/kept.ts";
import { isNamespaced } from "./namespaced.ts";

/** A hub that can answer for a scope, and which part of it does. */
export interface Content {
  hub: Hub;
  view: View;
}

/** Where content is looked for. */
export interface ContentSource {
  scopes: Scopes;
  kept: KeptAnswers;
}

/**
 * The best that is held for a scope: its own hub or a wider one of the same caller, narrowed here, whichever
 * is newer. For a Table that is older than the objects, or missing, the objects: its rows may be of what is
 * known to be gone.
 *
 * @param acceptsPlain whether a client that asked for a Table takes a plain list too
 */
export function findContent(
  source: ContentSource,
  scope: Scope,
  acceptsPlain: boolean,
): Content | undefined {
  const own = isHeld(source.scopes, scope)
    ? { hub: source.scopes.hub(scope), view: {} }
    : undefined;
  if (scope.representation !== "table") {
    const all = widerHubs(source, scope);
    return newest(own === undefined ? all : [own, ...all], ({ hub }) => hub);
  }
  const objects = findContent(source, plainScope(scope), true);
  const isNewest = own !== undefined && (objects === undefined ||
    compareResourceVersions(objects.hub.changeVersion, own.hub.resourceVersion) <= 0);
  if (isNewest) return own;
  return acceptsPlain ? objects : undefined;
}

/** The best that is held of one collection in several encodings, best first. */
export function findBest(
  source: ContentSource,
  candidates: readonly Scope[],
  acceptsPlain: boolean,
): Content | undefined {
  const found = candidates.flatMap((scope) => findContent(source, scope, acceptsPlain) ?? []);
  return newest(found, ({ hub }) => hub);
}

/**
 * A wider hub that is mirrored and up to date, so that the scope needs no reflector of its own: undefined
 * when there is none, or the scope has its own already.
 */
export function findMirror(source: ContentSource, scope: Scope): Content | undefined {
  const { scopes } = source;
  if (scope.representation === "table" || scopes.isReflected(scope)) return undefined;
  const mirrored = widerHubs(source, scope).filter(({ hub }) =>
    scopes.isReflected(hub.scope) && hub.freshness !== "stale" && hub.refusal === undefined
  );
  const found = newest(mirrored, ({ hub }) => hub);
  // Asked for just now: it is not idle.
  if (found !== undefined) scopes.hub(found.hub.scope);
  return found;
}

/** The objects behind the rows of a Table. */
export function plainScope(scope: Scope): Scope {
  return { ...scope, representation: "object", variant: "" };
}

/** Whether a client that asks for a Table takes plain objects too. */
export function acceptsPlainObjects(headers: Headers): boolean {
  const accept = (headers.get("accept") ?? "*/*").split(",")
    .filter((range) => !/;\s*as=Table/.test(range)).join(",");
  return accept !== "" &&
    acceptedRepresentations(accept).some(({ as, encoding }) =>
      as === "object" && encoding === "json"
    );
}

/** The hubs that hold everything that a scope does, and more. */
function widerHubs({ scopes, kept }: ContentSource, scope: Scope): Content[] {
  const key = formatScope(scope);
  return scopes.siblings(scope.caller, scope).flatMap((hub): Content[] => {
    const wider = hub.scope;
    const shows = wider.representation === scope.representation ||
      (wider.representation === "object" && scope.representation === "metadata");
    const covers = shows && wider.variant === "" && wider.encoding === scope.encoding &&
      formatScope(wider) !== key &&
      ["", scope.namespace].includes(wider.namespace) &&
      ["", scope.labelSelector].includes(wider.labelSelector) &&
      ["", scope.fieldSelector].includes(wider.fieldSelector);
    const view = covers ? viewOf(scope, hub, kept) : undefined;
    return view === undefined ? [] : [{ hub, view }];
  });
}

/** A scope as a part of a hub that covers it; undefined when what is in it can't be told. */
function viewOf(scope: Scope, hub: Hub, kept: KeptAnswers): View | undefined {
  const { namespace } = scope;
  const wider = hub.scope;
  const filter = filterOf(scope, wider);
  if (filter === "unreadable") return undefined;
  const inside = namespace !== wider.namespace;
  // A cluster-scoped resource has no such path: the cloud says 404, which must not become an empty list.
  if (inside && !isNamespaced(hub, kept)) return undefined;
  return {
    // "0" follows "/" in ASCII: all keys of the namespace lie between.
    ...(inside && { range: { after: `${namespace}/`, before: `${namespace}0` } }),
    ...(filter && { filter }),
    ...(scope.representation !== wider.representation && { show: "metadata" }),
  };
}

/** The selectors that a scope has and a wider one has not, as a filter over what the wider one holds. */
function filterOf(scope: Scope, wider: Scope): View["filter"] | "unreadable" {
  const { labelSelector, fieldSelector } = scope;
  try {
    const labels = wider.labelSelector === labelSelector ? [] : parseLabelSelector(labelSelector);
    const fields = wider.fieldSelector === fieldSelector ? [] : parseFieldSelector(fieldSelector);
    if (labels.length === 0 && fields.length === 0) return undefined;
    const see = ENCODINGS[wider.encoding].createSelectorView(
      scope,
      fields.map(({ key }) => key),
      wider.representation === "metadata",
    );
    if (see === undefined) return "unreadable";
    return ({ key, body }) => {
      // Names are in the key: nothing has to be read for the many watches of one object.
      const names = fields.filter((field) => nameIn(key, field.key) !== undefined);
      if (!matchesSelector(names, (path) => nameIn(key, path))) return false;
      if (names.length === fields.length && labels.length === 0) return true;
      const seen = see(body);
      if (!matchesSelector(fields, seen.field)) return false;
      if (labels.length === 0) return true;
      const labelsOf = seen.labels;
      return matchesSelector(labels, (name) => labelsOf[name]);
    };
  } catch (error) {
    if (error instanceof SyntaxError) return "unreadable";
    throw error;
  }
}

function nameIn(key: string, path: string): string | undefined {
  const slash = key.indexOf("/");
  if (path === "metadata.name") return key.slice(slash + 1);
  return path === "metadata.namespace" ? key.slice(0, Math.max(0, slash)) : undefined;
}
