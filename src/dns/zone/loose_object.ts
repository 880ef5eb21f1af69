/** Reading decoded JSON of the API loosely: what is missing or of another type is as if it were empty. */

/** A JSON object; `{}` for anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A label as it stands in a name, in lower case; "" for what can't be one. */
export function labelOf(value: unknown): string {
  const text = textOf(value);
  return /^[a-z0-9_-]{1,63}$/i.test(text) ? text.toLowerCase() : "";
}

/** Namespace and name of an object. @throws {SyntaxError} where they are not there or can't be in a name */
export function placeOf(
  object: unknown,
  kind: string,
  scope: "namespaced" | "cluster" = "namespaced",
): { namespace: string; name: string } {
  const { namespace, name } = fieldsOf(fieldsOf(object).metadata);
  const place = { namespace: labelOf(namespace), name: textOf(name).toLowerCase() };
  if (place.name === "" || (place.namespace === "" && scope === "namespaced")) {
    throw new SyntaxError(`Cannot read a ${kind}: it has no name or no namespace`);
  }
  return place;
}
