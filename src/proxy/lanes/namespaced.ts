import { parseJson } from "../../kube/codec/json.ts";
import type { Hub } from "../hub/hub.ts";
import type { KeptAnswers } from "../store/kept.ts";
import { DamagedError } from "../store/rows.ts";

/**
 * Whether the objects of a hub over all namespaces lie in namespaces, by what it holds or else by what the
 * cloud's discovery said. False when nobody knows.
 */
export function isNamespaced(hub: Hub, kept: KeptAnswers): boolean {
  const { group, version, resource } = hub.scope;
  try {
    using snapshot = hub.content.snapshot();
    const [first] = snapshot.next();
    if (first !== undefined) return first.key.includes("/");
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    hub.damaged(error.key);
    return false;
  }
  const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const answer = kept.discovery(path, "application/json");
  if (answer === undefined) return false;
  try {
    const { resources = [] } = parseJson(answer.body) as {
      resources?: { name?: string; namespaced?: boolean }[];
    };
    return resources.some(({ name, namespaced }) => name === resource && namespaced === true);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
