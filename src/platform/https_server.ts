import type { Http2SecureServer, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { type HttpServer, listenError, type ListenOptions, serveHttp } from "./net.ts";

/** Time that open responses get to end by themselves when a server stops, ms. */
const STOP_GRACE_MS = 2_000;

/** The first Deno whose `node:http2` speaks HTTP/1.1 too. */
const NODE_HTTP2_SINCE = [2, 9];

/** PEM texts and address of a TLS listener. */
export type TlsListenOptions = ListenOptions & { tls: { cert: string; key: string } };

/**
 * Serves HTTP/2 and HTTP/1.1 over TLS. Disposing stops it within two seconds, whatever clients do.
 *
 * On `node:http2`, because `Deno.serve` leaves Nagle's algorithm on for TLS: every answer would take 44 ms
 * (the client's delayed ACK) instead of 0.5 ms. A runtime older than Deno 2.9 can do no better.
 *
 * @throws {UnavailableError} when the address can't be had.
 */
export async function serveHttps(
  options: TlsListenOptions,
  handler: (request: Request) => Response | Promise<Response>,
): Promise<HttpServer> {
  if (!hasNodeHttp2(Deno.version.deno)) return serveHttp(options, handler);
  // Loaded when needed: most commands never listen.
  const [{ createSecureServer }, { getRequestListener }] = await Promise.all([
    import("node:http2"),
    import("@hono/node-server"),
  ]);
  const listener = getRequestListener(handler, { overrideGlobalObjects: false });
  const server = createSecureServer({ ...options.tls, allowHTTP1: true }, listener);
  const open = trackConnections(server);
  await listen(server, options);
  const address = server.address();
  return {
    hostname: options.hostname,
    port: typeof address === "object" && address !== null ? address.port : options.port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Idle connections are not waited for.
      for (const session of open.sessions) session.close();
      const late = setTimeout(open.destroy, STOP_GRACE_MS);
      await Promise.race([closed, open.idle()]);
      clearTimeout(late);
      open.destroy();
      await closed;
    },
  };
}

/** Whether that version of Deno has a `node:http2` to listen with. */
export function hasNodeHttp2(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [sinceMajor = 0, sinceMinor = 0] = NODE_HTTP2_SINCE;
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

function listen(server: Http2SecureServer, { hostname, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(listenError(hostname, port, error));
    server.once("error", fail);
    server.listen(port, hostname, () => {
      server.off("error", fail);
      // What a broken client causes is its own business.
      server.on("error", () => {});
      resolve();
    });
  });
}

/** Every connection of the server, so that it can be made to stop. */
function trackConnections(server: Http2SecureServer): {
  sessions: Set<ServerHttp2Session>;
  idle(): Promise<void>;
  destroy(): void;
} {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  let requests = 0;
  let onIdle = () => {};
  server.on("secureConnection", (socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => sessions.delete(session));
  });
  server.on("request", (_request, response) => {
    requests++;
    response.once("close", () => {
      if (--requests === 0) onIdle();
    });
  });
  return {
    sessions,
    idle: () => requests === 0 ? Promise.resolve() : new Promise((resolve) => onIdle = resolve),
    destroy() {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}
