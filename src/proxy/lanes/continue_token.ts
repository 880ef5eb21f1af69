import { parseJson } from "../../kube/codec/json.ts";
import { isResourceVersion } from "../../kube/resource_version.ts";
import { expiredStatus, type StatusOptions } from "../../kube/status.ts";

/** Where a page ended. */
export interface ContinueToken {
  /** Version of the pages; empty when the rest may be of any (an "inconsistent continue"). */
  resourceVersion: string;
  /** Key of the last object of the page. */
  after: string;
}

/** Marks the agent's own tokens; those of the cloud are base64 of JSON (`storage/continue.go`). */
const PREFIX = "edge-agent.";

/** A token of the agent for the next page. */
export function formatContinue({ resourceVersion, after }: ContinueToken): string {
  return PREFIX + toBase64Url(`${resourceVersion}/${after}`);
}

/** Reads a token of the agent; undefined for any other text. */
export function parseContinue(text: string): ContinueToken | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const [, resourceVersion = "", after = ""] =
    /^([^/]*)\/(.*)$/s.exec(fromBase64Url(text.slice(PREFIX.length)) ?? "") ?? [];
  const names = resourceVersion === "" || isResourceVersion(resourceVersion);
  return names && after !== "" ? { resourceVersion, after } : undefined;
}

/**
 * A token of the agent as the cloud would have given it: the rest of the pages may be asked there. Only its
 * own format is taken by a kube-apiserver.
 *
 * @param namespace of the request: keys in a token are relative to it
 */
export function toCloudContinue(
  { resourceVersion, after }: ContinueToken,
  namespace: string,
): string {
  const inside = namespace !== "" && after.startsWith(`${namespace}/`);
  const start = `/${inside ? after.slice(namespace.length + 1) : after}\0`;
  // As text: a resourceVersion may be longer than a number of JavaScript. -1 is "the newest".
  const version = resourceVersion === "" ? "-1" : resourceVersion;
  return toBase64Url(`{"v":"meta.k8s.io/v1","rv":${version},"start":${JSON.stringify(start)}}`);
}

/** Reads a token of the cloud; undefined for any other text. */
export function parseCloudContinue(text: string, namespace: string): ContinueToken | undefined {
  let token: unknown;
  try {
    token = parseJson(new TextEncoder().encode(fromBase64Url(text) ?? ""));
  } catch {
    return undefined;
  }
  const { v, rv, start } = (token ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== "meta.k8s.io/v1" || typeof rv !== "number" || typeof start !== "string") {
    return undefined;
  }
  const key = start.replace(/^\//, "").replace(/\0$/, "");
  if (key === "") return undefined;
  return {
    resourceVersion: rv > 0 ? String(rv) : "",
    after: namespace === "" ? key : `${namespace}/${key}`,
  };
}

/** 410 with a token by which a client may have the rest as it is by now, as kube-apiserver offers it. */
export function expiredContinue({ after }: ContinueToken): StatusOptions {
  return {
    ...expiredStatus(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    ),
    continue: formatContinue({ resourceVersion: "", after }),
  };
}

function toBase64Url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes)).replaceAll("=", "")
    .replaceAll("+", "-").replaceAll("/", "_");
}

function fromBase64Url(text: string): string | undefined {
  try {
    const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
