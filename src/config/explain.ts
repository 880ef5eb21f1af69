import type * as z from "zod/mini";
import { isSensitive, redact } from "../telemetry/redact.ts";
import { nearest } from "./nearest.ts";
import { type ConfigPath, formatPath, keysAt, leavesOf } from "./schema.ts";

/** One thing that is wrong, and with which value. */
export interface Explanation {
  path: ConfigPath;
  /** `proxy.listen must be host:port (it is "x")`. */
  message: string;
}

/** Says in words for operators what zod found wrong with `data`: path, wish, value, nearest known key. */
export function explainIssues(
  schema: z.ZodMiniType,
  issues: readonly z.core.$ZodIssue[],
  data: unknown,
): Explanation[] {
  return issues.flatMap((issue): Explanation[] => {
    const path = issue.path as (string | number)[];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: explainUnknown(schema, path, key, valueAt(data, [...path, key])),
      }));
    }
    const value = valueAt(data, path);
    const name = formatPath(path) || "the configuration";
    // An array's absent item can't be; an absent key can.
    if (value === undefined && issue.code !== "custom") {
      return [{ path, message: `${name} is missing${wishOf(issue, schema, path)}` }];
    }
    if (value === null) {
      return [{ path, message: `${name} is empty: give it a value or remove the key` }];
    }
    return [{ path, message: `${name} ${sentenceOf(issue, value)}${shown(path, value)}` }];
  });
}

function explainUnknown(
  schema: z.ZodMiniType,
  section: ConfigPath,
  key: string,
  value: unknown,
): string {
  const path = [...section, key];
  const siblings = keysAt(schema, section);
  const elsewhere = leavesOf(schema).map((leaf) => leaf.path).find((leaf) => leaf.at(-1) === key);
  const near = nearest(key, siblings);
  const hint = near !== undefined
    ? `did you mean "${formatPath([...section, near])}"?`
    : elsewhere !== undefined
    ? `did you mean "${formatPath(elsewhere)}"?`
    : `the keys known here are ${siblings.join(", ")}`;
  return `${formatPath(path)} is no known key${shown(path, value)}: ${hint}`;
}

/** What is wanted, after the name of the value: "must be …". */
function sentenceOf(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return isWritten(issue) ? issue.message : `must be ${kindOf(issue.expected)}`;
    case "invalid_value": {
      const near = nearest(String(value), issue.values.map(String));
      const hint = near === undefined ? "" : `, did you mean "${near}"?`;
      return `must be one of ${issue.values.map((v) => `"${String(v)}"`).join(", ")}${hint}`;
    }
    case "too_small":
      return isWritten(issue) ? issue.message : `must be at least ${issue.minimum}${unitOf(issue)}`;
    case "too_big":
      return isWritten(issue) ? issue.message : `must be at most ${issue.maximum}${unitOf(issue)}`;
    default:
      return isWritten(issue) ? issue.message : "is not valid";
  }
}

/** zod/mini has no texts of its own: anything else was written beside the schema. */
function isWritten({ message }: z.core.$ZodIssue): boolean {
  return message !== "" && message !== "Invalid input";
}

function kindOf(expected: string): string {
  switch (expected) {
    case "object":
      return "a section of keys";
    case "array":
      return "a list";
    case "boolean":
      return "true or false";
    case "int":
      return "a whole number";
    case "string":
      return "a text";
    default:
      return `a ${expected}`;
  }
}

function unitOf({ origin }: { origin: string }): string {
  return origin === "string" ? " characters long" : origin === "array" ? " items long" : "";
}

/** What would have to be there instead of nothing. */
function wishOf(issue: z.core.$ZodIssue, schema: z.ZodMiniType, path: ConfigPath): string {
  const keys = keysAt(schema, path);
  if (keys.length > 0) return `: it is a section with the keys ${keys.join(", ")}`;
  return isWritten(issue) ? `: it ${issue.message}` : "";
}

const MAX_SHOWN = 60;

function shown(path: ConfigPath, value: unknown): string {
  if (value === undefined || typeof value === "object") return "";
  if (path.some((step) => typeof step === "string" && isSensitive(step))) {
    return " (it is not shown)";
  }
  const text = JSON.stringify(redact(value));
  return ` (it is ${text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text})`;
}

function valueAt(data: unknown, path: ConfigPath): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
