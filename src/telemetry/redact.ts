const SENSITIVE = new Set([
  "token",
  "authorization",
  "secret",
  "password",
  "passphrase",
  "key",
  "cookie",
]);
const MASK = "***";
const MAX_DEPTH = 6;

/** Whether the value of a field with this name must not be shown: its last word is `token`, `key`, … */
export function isSensitive(name: string): boolean {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase().split(/[^a-z0-9]+/);
  return SENSITIVE.has(words.at(-1) ?? "");
}

/**
 * Turns anything into plain JSON data that can be shown: fields with a sensitive name and bearer tokens
 * in texts are masked, errors keep name, code and message, and whatever JSON can't hold is described.
 */
export function redact(value: unknown): unknown {
  return plain(value, []);
}

function plain(value: unknown, parents: readonly object[]): unknown {
  switch (typeof value) {
    case "string":
      return value.replace(/\b(Bearer|Basic)\s+[\w.~+/=-]{16,}/gi, `$1 ${MASK}`);
    case "number":
    case "boolean":
    case "undefined":
      return value;
    case "object":
      return value === null ? null : plainObject(value, parents);
    default:
      return String(value);
  }
}

function plainObject(value: object, parents: readonly object[]): unknown {
  if (parents.includes(value)) return "[circular]";
  if (parents.length >= MAX_DEPTH) return "[too deep]";
  const inside = [...parents, value];
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? "[no date]" : value.toISOString();
  }
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (value instanceof URL) return plain(value.href, inside);
  if (value instanceof Error) return plainError(value, inside);
  if (Array.isArray(value)) return value.map((item) => plain(item, inside));
  if (value instanceof Set) return [...value].map((item) => plain(item, inside));
  const entries = value instanceof Map || value instanceof Headers
    ? [...value as Iterable<[unknown, unknown]>]
    : Object.entries(value);
  return Object.fromEntries(entries.map(([name, field]) => {
    const hide = isSensitive(String(name)) && field !== undefined && field !== null;
    return [String(name), hide ? MASK : plain(field, inside)];
  }));
}

function plainError(error: Error, parents: readonly object[]): unknown {
  const { name, message, cause } = error;
  const code = (error as Error & { code?: unknown }).code;
  return {
    name,
    ...(code !== undefined && { code: plain(code, parents) }),
    message: plain(message, parents),
    ...(cause !== undefined && { cause: plain(cause, parents) }),
  };
}
