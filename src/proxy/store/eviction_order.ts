/** What goes first when the store is full. */

/** `first` before `later` before `last`; `never` is bounded by whoever keeps it. */
export type Rank = "first" | "later" | "last" | "never";

/** What the node can't do without, and small: they change what the kubelet may do. */
const NEVER = new Set(["proven", "last-alive", "cloud", "token", "journal", "filter"]);

/**
 * Objects that a node reads one by one and may not list: without a link nobody could tell about them again,
 * and a kubelet without its CSINode or a volume does not start pods.
 */
const UNLISTABLE = new Set([
  "leases",
  "csinodes",
  "persistentvolumeclaims",
  "persistentvolumes",
  "volumeattachments",
  "resourceclaims",
]);

/** Of a kept answer, by its key. */
export function keptRank(key: string): Rank {
  const [kind = "", , gvr = ""] = key.split("\n");
  if (NEVER.has(kind)) return "never";
  if (kind === "discovery" || kind === "hash") return "later";
  const resource = gvr.slice(gvr.lastIndexOf("/") + 1);
  return kind === "object" && UNLISTABLE.has(resource) ? "last" : "first";
}

/** Of a scope that nobody watches. */
export function scopeRank(scope: { resource: string; fieldSelector: string }): Rank {
  return isOfOneObject(scope) || UNLISTABLE.has(scope.resource) ? "last" : "first";
}

/** Whether it is of a single object, as the kubelet's Secrets and ConfigMaps are. */
export function isOfOneObject({ fieldSelector }: { fieldSelector: string }): boolean {
  return /(^|,)metadata\.name==?[^,]/.test(fieldSelector);
}
