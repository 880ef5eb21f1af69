import type { RequestTarget } from "./fake_requests.ts";
import { failure, statusResponse } from "./fake_status.ts";

const ANONYMOUS = "system:anonymous";

/** The user of a request; undefined for a bearer token that is not known. */
export function authenticate(
  headers: Headers,
  tokens: Readonly<Record<string, string>>,
): string | undefined {
  const [scheme, token = ""] = (headers.get("authorization") ?? "").split(" ");
  if (scheme?.toLowerCase() !== "bearer") return ANONYMOUS;
  return Object.hasOwn(tokens, token) ? tokens[token] : undefined;
}

/** 401 and 403 as RBAC's defaults would give them: every known token may do everything. */
export function authorize(
  user: string | undefined,
  target: RequestTarget,
  { pathname }: URL,
  method: string,
): Response | undefined {
  if (user === undefined) return statusResponse(failure(401, "Unauthorized", "Unauthorized"));
  if (user !== ANONYMOUS || /^\/(version|healthz|livez|readyz)(\/|$)/.test(pathname)) {
    return undefined;
  }
  if (target.kind === "nonresource") {
    const what = `cannot ${method.toLowerCase()} path "${pathname}"`;
    return statusResponse(failure(403, "Forbidden", `forbidden: User "${user}" ${what}`, {}));
  }
  const { resource: { group, resource }, verb, namespace, name } = target;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const what = `cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  const object = name === "" ? resource : `${resource} "${name}"`;
  return statusResponse(
    failure(403, "Forbidden", `${object} is forbidden: User "${user}" ${what}`, {
      ...(name !== "" && { name }),
      ...(group !== "" && { group }),
      kind: resource,
    }),
  );
}
