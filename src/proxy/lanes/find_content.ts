import { ENCODINGS } from "../../kube/codec/encodings.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import { matchesSelector, parseFieldSelector, parseLabelSelector } from "../../kube/selector.ts";
import type { Hub } from "../hub/hub.ts";
import type { ListOptions } from "./list_response.ts";
import type { Scope } from "../hub/scope.ts";
import type { Scopes } from "../hub/scopes.ts";

/** A hub that can answer for a scope, and how its content must be narrowed for that. */
export interface Content {
  hub: Hub;
  options: Pick<ListOptions, "range" | "filter">;
}

/**
 * What can answer for a scope: its own hub; for a Table that is older than the objects, or missing, the
 * objects; else a wider scope of the same caller, narrowed here.
 *
 * @param acceptsPlain whether a client that asked for a Table takes a plain list too
 */
export function findContent(
  scopes: Scopes,
  scope: Scope,
  acceptsPlain: boolean,
): Content | undefined {
  const own = scopes.hub(scope);
  const held = own.freshness !== "empty";
  if (scope.representation !== "table") {
    return held ? { hub: own, options: {} } : findWider(scopes, scope);
  }
  const plain: Scope = { ...scope, representation: "object", variant: "" };
  const objects = acceptsPlain ? findContent(scopes, plain, true) : undefined;
  if (!held) return objects;
  const newer = objects !== undefined &&
    compareResourceVersions(objects.hub.changeVersion, own.resourceVersion) > 0;
  return newer ? objects : { hub: own, options: {} };
}

/** A hub without selectors that covers the scope. */
function findWider(scopes: Scopes, scope: Scope): Content | undefined {
  const { namespace } = scope;
  const filter = filterOf(scope);
  if (filter === undefined) return undefined;
  const hub = scopes.siblings(scope.caller, scope).find(({ scope: wider }) =>
    wider.representation === scope.representation && wider.encoding === scope.encoding &&
    wider.variant === scope.variant &&
    wider.labelSelector === "" && wider.fieldSelector === "" &&
    (wider.namespace === "" || wider.namespace === namespace)
  );
  if (hub === undefined) return undefined;
  const inside = namespace === "" || hub.scope.namespace !== ""
    ? {}
    // "0" follows "/" in ASCII: all keys of the namespace lie between.
    : { range: { after: `${namespace}/`, before: `${namespace}0` } };
  return { hub, options: { ...inside, filter } };
}

/** A scope's selectors as a filter; undefined when they can't be read, or not be seen in what is held. */
function filterOf(scope: Scope): ((object: StoredObject) => boolean) | undefined {
  try {
    const labels = parseLabelSelector(scope.labelSelector);
    const fields = parseFieldSelector(scope.fieldSelector);
    if (labels.length === 0 && fields.length === 0) return () => true;
    const viewOf = ENCODINGS[scope.encoding].createSelectorView(
      scope,
      fields.map(({ key }) => key),
      scope.representation === "metadata",
    );
    return viewOf && (({ body }) => {
      const view = viewOf(body);
      return matchesSelector(labels, (key) => view.labels[key]) &&
        matchesSelector(fields, view.field);
    });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
