import { statusResponse } from "../kube/status.ts";
import { isOwnName } from "../telemetry/own_name.ts";

/**
 * Why the plain listener does not serve a request: a page in a browser on the node sends it. Whoever reaches that
 * listener is its identity, and a page of any site reaches it: by a name that leads to 127.0.0.1, or by a
 * WebSocket, which no browser keeps from other origins (kubectl proxy has `--accept-hosts` for the same). Clients of
 * Kubernetes send no `Origin`.
 */
export function refuseBrowsers(request: Pick<Request, "url" | "headers">): Response | undefined {
  const hostname = URL.canParse(request.url) ? new URL(request.url).hostname : "";
  const message = !isOwnName(hostname)
    ? `"${hostname}" is no name of this listener: use its IP address`
    : request.headers.has("origin")
    ? "this listener serves no web pages: use the TLS listener and a token"
    : undefined;
  return message === undefined
    ? undefined
    : statusResponse({ code: 403, reason: "Forbidden", message });
}
