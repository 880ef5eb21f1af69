/** Status codes of a middlebox that finds nobody behind it, unless the answer shows a kube-apiserver. */
const NOBODY = new Set([502, 503, 504]);

/**
 * Whether an answer comes from something between the agent and the kube-apiserver. The latter marks every
 * answer with `Audit-Id`, says no with a `Status`, and never sends a page or leads elsewhere by itself: a
 * captive portal does (RFC 6585, 6: 511, and in practice 302 or 200 with HTML).
 */
export function isMiddlebox({ status, headers }: Pick<Response, "status" | "headers">): boolean {
  if (headers.has("audit-id")) return false;
  const type = headers.get("content-type") ?? "";
  if (NOBODY.has(status)) return !type.startsWith("application/json");
  if (status === 511) return true;
  if (status >= 300 && status < 400) return status !== 304;
  return status < 300 && type.startsWith("text/html");
}
