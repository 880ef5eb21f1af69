import { UnavailableError } from "../kernel/errors.ts";
import type { FollowedEvent } from "./follower.ts";
import type { KubeObject } from "./fake_resources.ts";

/** `namespace/name@resourceVersion` of each object, sorted: equal for equal lists. */
export function versionsOf(objects: readonly KubeObject[]): string[] {
  return objects.map(({ metadata: { namespace = "", name, resourceVersion = "" } }) =>
    `${namespace}/${name}@${resourceVersion}`
  ).sort();
}

/**
 * Returns quietly when both lists have the same objects in the same versions.
 * @throws {UnavailableError} that names the first ones which differ.
 */
export function expectSameObjects(
  got: readonly KubeObject[],
  wanted: readonly KubeObject[],
  what: string,
): void {
  expectSame(versionsOf(got), versionsOf(wanted), what);
}

/** One event as text, `ADDED web-new@1234`. */
export function formatEvent({ type, name, resourceVersion }: Omit<FollowedEvent, "atMs">): string {
  return `${type} ${name}@${resourceVersion}`;
}

/**
 * Returns quietly when both have the same texts.
 * @throws {UnavailableError} that names the first ones which are missing or too many.
 */
export function expectSame(got: readonly string[], wanted: readonly string[], what: string): void {
  const missing = wanted.filter((text) => !got.includes(text));
  const extra = got.filter((text) => !wanted.includes(text));
  if (missing.length === 0 && extra.length === 0 && got.length === wanted.length) return;
  const parts = [
    missing.length > 0 ? `missing ${some(missing)}` : "",
    extra.length > 0 ? `unexpected ${some(extra)}` : "",
    missing.length + extra.length === 0 ? `${got.length} instead of ${wanted.length}` : "",
  ];
  throw new UnavailableError(`${what}: ${parts.filter((part) => part !== "").join(", ")}`);
}

/** The middle one; NaN for none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function some(texts: readonly string[]): string {
  const more = texts.length > 3 ? ` and ${texts.length - 3} more` : "";
  return texts.slice(0, 3).join(", ") + more;
}
