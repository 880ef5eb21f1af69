/** Prefix of `k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go`. */
const PREFIX = "base64url.bearer.authorization.k8s.io.";

const PROTOCOL = "sec-websocket-protocol";

/**
 * The bearer token that a WebSocket client sends as a subprotocol, because browsers let it set no header;
 * undefined when there is none, or none that can be read.
 */
export function websocketBearer(headers: Headers): string | undefined {
  const protocol = protocolsOf(headers).find((each) => each.startsWith(PREFIX));
  if (protocol === undefined) return undefined;
  try {
    const base64 = protocol.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
    const token = atob(base64);
    return /^[\x21-\x7e]+$/.test(token) ? token : undefined;
  } catch {
    return undefined;
  }
}

/** The headers with such a token where every other client has it; one in `Authorization` counts alone. */
export function withBearerInHeader(headers: Headers): Headers {
  const token = headers.has("authorization") ? undefined : websocketBearer(headers);
  if (token === undefined) return headers;
  const all = new Headers(headers);
  all.set("authorization", `Bearer ${token}`);
  return all;
}

/** The subprotocols without the token. */
export function withoutWebsocketBearer(headers: Headers): string {
  return protocolsOf(headers).filter((each) => !each.startsWith(PREFIX)).join(", ");
}

function protocolsOf(headers: Headers): string[] {
  return (headers.get(PROTOCOL) ?? "").split(",").map((each) => each.trim())
    .filter((each) => each !== "");
}
