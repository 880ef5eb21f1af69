/**
 * JSON merge patches (RFC 7396), and the part of strategic merge patches that is the same: objects without
 * lists and without directives (`$patch`, `$setElementOrder/…`).
 */

type JsonObject = Record<string, unknown>;

/** What a value is after a patch. Directives of strategic merge patches are left out. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    if (value === null) merged.delete(key);
    else merged.set(key, applyMergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

/**
 * The one patch that does what `first` and then `second` do; undefined where there is none, or where
 * a strategic merge patch could mean something else.
 */
export function composeMergePatches(first: unknown, second: unknown): JsonObject | undefined {
  if (!isPlain(first) || !isPlain(second)) return undefined;
  const composed = new Map(Object.entries(first));
  for (const [key, value] of Object.entries(second)) {
    const before = composed.get(key);
    if (!isObject(value) || before === undefined) {
      composed.set(key, value);
      continue;
    }
    // What `first` replaced or removed, `second` begins anew: one patch would merge into what was there.
    const both = isObject(before) ? composeMergePatches(before, value) : undefined;
    if (both === undefined) return undefined;
    composed.set(key, both);
  }
  return Object.fromEntries(composed);
}

/** Whether a value is an object that means the same as a merge and as a strategic merge patch. */
function isPlain(value: unknown): value is JsonObject {
  return isObject(value) &&
    Object.entries(value).every(([key, inner]) =>
      !key.startsWith("$") && !Array.isArray(inner) && (!isObject(inner) || isPlain(inner))
    );
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
