import { withoutWebsocketBearer } from "../identity/websocket_bearer.ts";
import type { HeaderLines } from "../../platform/http_head.ts";
import { endToEndHeaders } from "./end_to_end_headers.ts";
import type { ProxyRequest } from "./forward.ts";

/** Whether a request asks to leave HTTP (RFC 9110 7.8). */
export function isUpgrade(headers: Headers): boolean {
  return tokensOf(headers.get("connection")).includes("upgrade") &&
    // HTTP/2 in plain text is only an offer, which a server may ignore.
    tokensOf(headers.get("upgrade")).some((protocol) => protocol !== "h2c");
}

/**
 * The head's lines for the cloud: everything that the client said about the protocol to switch to, with the
 * credential of whoever asks in place of what it showed the agent.
 */
export function upgradeHeaders(
  { headers, caller }: Pick<ProxyRequest, "headers" | "caller">,
  own: { host: string; token?: string; body?: Uint8Array },
): HeaderLines {
  const lines: [string, string][] = [["Host", own.host], ...endToEndHeaders(headers)];
  lines.push(["Connection", "Upgrade"], ["Upgrade", headers.get("upgrade") ?? ""]);
  const byProtocol = !headers.has("authorization");
  if (own.token !== undefined && !(caller.kind === "bearer" && byProtocol)) {
    lines.push(["Authorization", `Bearer ${own.token}`]);
  }
  if (own.body !== undefined) lines.push(["Content-Length", String(own.body.length)]);
  // A bearer's own token goes on as it came; a local token is no business of the cloud's, nor is one that is
  // not let through.
  if (caller.kind === "bearer") return lines;
  return lines.flatMap(([name, value]): [string, string][] => {
    if (name !== "sec-websocket-protocol") return [[name, value]];
    const left = withoutWebsocketBearer(new Headers([[name, value]]));
    return left === "" ? [] : [[name, left]];
  });
}

function tokensOf(value: string | null): string[] {
  return (value ?? "").split(",").map((token) => token.trim().toLowerCase())
    .filter((token) => token !== "");
}
