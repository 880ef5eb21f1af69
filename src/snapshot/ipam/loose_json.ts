/**
 * Reading JSON that others wrote: only the fields used, and nothing thrown for their shape. The plugin
 * starts for every pod, so it does without the schema library of the config.
 *
 * @module
 */

/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** The JSON value of a text, or undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value if it is an object, else an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** The value if it is an array, else an empty one. */
export function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value if it is a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The texts of an array; anything else in it is left out. */
export function textsOf(value: unknown): string[] {
  return arrayOf(value).filter((item) => typeof item === "string");
}
