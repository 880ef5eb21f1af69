import type { FakeResource, KubeObject } from "./fake_resources.ts";
import { badRequest } from "./fake_status.ts";

/** Whether an object is meant. */
export type Selector = (object: KubeObject) => boolean;

/**
 * The selector of a request. The fake has a parser of its own, so that it doesn't share the mistakes of the
 * one under test.
 * @throws {StatusError} 400 for what is no selector.
 */
export function selectorOf(resource: FakeResource, query: URLSearchParams): Selector {
  const tests = [
    ...labelTests(query.get("labelSelector") ?? ""),
    ...fieldTests(resource, query.get("fieldSelector") ?? ""),
  ];
  return (object) => tests.every((test) => test(object));
}

const SET = /^([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/;
const COMPARISON = /^([^\s!=<>(),]+)\s*(==|=|!=|<|>)\s*([^\s!=<>(),]*)$/;
const PRESENCE = /^(!?)\s*([^\s!=<>(),]+)$/;

function labelTests(text: string): Selector[] {
  return splitOutsideParentheses(text).map((requirement) => labelTest(requirement, text));
}

function labelTest(requirement: string, text: string): Selector {
  const set = SET.exec(requirement);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return operator === "in"
      ? (object) => values.includes(labelOf(object, key) ?? "\0")
      : (object) => !values.includes(labelOf(object, key) ?? "\0");
  }
  const comparison = COMPARISON.exec(requirement);
  if (comparison !== null) {
    const [, key = "", operator, wanted = ""] = comparison;
    switch (operator) {
      case "!=":
        return (object) => labelOf(object, key) !== wanted;
      case "<":
        return (object) => Number(labelOf(object, key)) < Number(wanted);
      case ">":
        return (object) => Number(labelOf(object, key)) > Number(wanted);
      default:
        return (object) => labelOf(object, key) === wanted;
    }
  }
  const presence = PRESENCE.exec(requirement);
  if (presence !== null) {
    const [, not, key = ""] = presence;
    return (object) => (labelOf(object, key) !== undefined) === (not === "");
  }
  throw badRequest(`unable to parse requirement: found '${text}', expected a label selector`);
}

function fieldTests(resource: FakeResource, text: string): Selector[] {
  return text.split(",").filter((term) => term !== "").map((term) => {
    const [, field = "", operator, wanted = ""] = /^([^!=]+)(==|=|!=)(.*)$/.exec(term) ?? [];
    if (operator === undefined) {
      throw badRequest(`invalid field selector: '${text}'; can't understand '${term}'`);
    }
    const known = ["metadata.name", "metadata.namespace", ...resource.fields ?? []];
    if (!known.includes(field)) throw badRequest(`field label not supported: ${field}`);
    const equal = operator !== "!=";
    return (object: KubeObject) => (fieldOf(object, field) === wanted) === equal;
  });
}

function labelOf(object: KubeObject, key: string): string | undefined {
  return object.metadata.labels?.[key];
}

function fieldOf(object: KubeObject, path: string): string {
  let value: unknown = object;
  for (const key of path.split(".")) value = (value as Record<string, unknown> | undefined)?.[key];
  return value === undefined || value === null ? "" : String(value);
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((part) => part.trim()).filter((part) => part !== "");
}
