import type { AddressInfo, Socket } from "node:net";
import type { Server } from "node:tls";
import {
  type HttpServer,
  listenError,
  type ListenOptions,
  serveHttp,
  serveHttpFor,
} from "./net.ts";

/** PEM texts and address of a TLS listener. */
export type TlsListenOptions = ListenOptions & { tls: { cert: string; key: string } };

/** A running TLS server. */
export interface HttpsServer extends HttpServer {
  /** The loopback port behind it, which answers nobody else; undefined on a runtime that needs none. */
  readonly innerPort: number | undefined;
}

/** The first Deno whose `node:tls` can listen as is needed here. */
const NODE_TLS_SINCE = [2, 9] as const;

/**
 * Serves HTTP/2 and HTTP/1.1 over TLS. Disposing stops it within two seconds, whatever clients do.
 *
 * TLS is ended here, by `node:tls` with Nagle's algorithm off, and the plain bytes go to a `Deno.serve` on a
 * loopback port that answers nobody else. Both halves alone have a flaw: `Deno.serve` leaves Nagle on for
 * TLS, which makes every answer take 44 ms (the client's delayed ACK) instead of 0.3 ms; `node:http2` of
 * Deno 2.9.6 crashes the process now and then when a client says GOAWAY (an assertion of nghttp2). A
 * runtime older than Deno 2.9 can only have the slow one.
 *
 * @throws {UnavailableError} when the address can't be had.
 */
export async function serveHttps(
  options: TlsListenOptions,
  handler: (request: Request) => Response | Promise<Response>,
): Promise<HttpsServer> {
  if (!canListenWithNodeTls(Deno.version.deno)) {
    const server = serveHttp(options, handler);
    return Object.assign(server, { innerPort: undefined });
  }
  // Loaded when needed: most commands never listen.
  const [{ createServer }, { connect }] = await Promise.all([
    import("node:tls"),
    import("node:net"),
  ]);
  /** Local ports of the connections that this front has made: all others are strangers. */
  const own = new Set<number>();
  const inner = serveHttpFor({ hostname: "127.0.0.1", port: 0 }, (request, peer) => {
    const isOwn = peer.hostname === "127.0.0.1" && own.has(peer.port);
    return isOwn ? handler(request) : new Response(null, { status: 403 });
  });
  const clients = new Set<Socket>();
  const front = createServer({ ...options.tls, ALPNProtocols: ["h2", "http/1.1"] }, (client) => {
    clients.add(client);
    client.once("close", () => clients.delete(client));
    const back = connect(inner.port, "127.0.0.1");
    splice(client, back, () => own.add(back.localPort!), (port) => own.delete(port));
  });
  // What a broken client causes is its own business.
  front.on("tlsClientError", () => {});
  try {
    await listen(front, options);
  } catch (error) {
    await inner[Symbol.asyncDispose]();
    throw error;
  }
  return {
    hostname: options.hostname,
    port: (front.address() as AddressInfo).port,
    innerPort: inner.port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => front.close(() => resolve()));
      await inner[Symbol.asyncDispose]();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}

/** Whether that version of Deno has a `node:tls` to listen with. */
export function canListenWithNodeTls(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > NODE_TLS_SINCE[0] || (major === NODE_TLS_SINCE[0] && minor >= NODE_TLS_SINCE[1]);
}

/** Carries bytes both ways until either side ends. */
function splice(
  client: Socket,
  back: Socket,
  opened: () => void,
  closed: (port: number) => void,
): void {
  client.setNoDelay(true);
  back.setNoDelay(true);
  let port = 0;
  const end = () => {
    closed(port);
    client.destroy();
    back.destroy();
  };
  for (const socket of [client, back]) {
    socket.on("error", end);
    socket.once("close", end);
  }
  back.once("connect", () => {
    port = back.localPort ?? 0;
    opened();
    client.pipe(back);
    back.pipe(client);
  });
}

function listen(server: Server, { hostname, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(listenError(hostname, port, error));
    server.once("error", fail);
    server.listen(port, hostname, () => {
      server.off("error", fail);
      server.on("error", () => {});
      resolve();
    });
  });
}
