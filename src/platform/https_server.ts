import type { X509Certificate } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import type { Server } from "node:tls";
import { UsageError } from "../kernel/errors.ts";
import { checkTls, type Peer, peerOf, type TlsTexts } from "./client_certificate.ts";
import {
  type HttpServer,
  listenError,
  type ListenOptions,
  serveHttp,
  serveHttpFor,
} from "./net.ts";

/** PEM texts and address of a TLS listener. */
export type TlsListenOptions = ListenOptions & { tls: TlsTexts };

/** Answers requests. `peer`: the client of the connection, if it showed a certificate that is good. */
export type PeerHandler = (request: Request, peer?: Peer) => Response | Promise<Response>;

/** A running TLS server. */
export interface HttpsServer extends HttpServer {
  /** The loopback port behind it, which answers nobody else; undefined on a runtime that needs none. */
  readonly innerPort: number | undefined;
  /**
   * Shows another certificate and knows other clients from the next connection on; open ones stay as they
   * are. On a runtime without `node:tls` to listen with nothing happens before the next start.
   *
   * @throws {UsageError} when these texts can't be used: all stays as it was
   */
  renew(tls: TlsTexts): void;
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
 * With `clientCa` clients are asked for a certificate; who has none, or none that is good, is served all the
 * same, as nobody. It is looked at when the connection is made, not again while it lasts.
 *
 * @throws {UnavailableError} when the address can't be had.
 * @throws {UsageError} when the PEM texts can't be used, or the runtime can't ask for certificates
 */
export async function serveHttps(
  options: TlsListenOptions,
  handler: PeerHandler,
): Promise<HttpsServer> {
  let authorities = checkTls(options.tls);
  if (!canListenWithNodeTls(Deno.version.deno)) {
    if (options.tls.clientCa !== undefined) {
      throw new UsageError(
        `Cannot ask clients for certificates on Deno ${Deno.version.deno}: "clientCA" needs Deno 2.9 or later. Leave it out (local tokens work everywhere) or use a build on a newer runtime`,
      );
    }
    const server = serveHttp(options, (request) => handler(request));
    return Object.assign(server, { innerPort: undefined, renew: () => {} });
  }
  // Loaded when needed: most commands never listen.
  const [{ createServer }, { connect }] = await Promise.all([
    import("node:tls"),
    import("node:net"),
  ]);
  const own: OwnConnections = new Map();
  const inner = serveHttpFor({ hostname: "127.0.0.1", port: 0 }, (request, { hostname, port }) => {
    const connection = hostname === "127.0.0.1" ? own.get(port) : undefined;
    if (connection === undefined) return new Response(null, { status: 403 });
    return handler(request, connection.peer);
  });
  const clients = new Set<Socket>();
  const front = createServer(toContext(options.tls, authorities), (client) => {
    clients.add(client);
    client.once("close", () => clients.delete(client));
    const connection = { peer: peerOf(client, authorities, Date.now()) };
    splice(client, connect(inner.port, "127.0.0.1"), connection, own);
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
    renew(tls) {
      const renewed = checkTls(tls);
      front.setSecureContext(toContext(tls, renewed));
      authorities = renewed;
    },
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

/** The connections that a front has made to its inner server, by local port: all others are strangers. */
type OwnConnections = Map<number, { peer: Peer | undefined }>;

function toContext({ cert, key, clientCa }: TlsTexts, authorities: readonly X509Certificate[]) {
  return {
    cert,
    key,
    ALPNProtocols: ["h2", "http/1.1"],
    // Whoever shows nothing good is nobody, and is served as such.
    ...(authorities.length > 0 && { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
  };
}

/** Carries bytes both ways until either side ends; what the inner server sees comes from `connection`. */
function splice(
  client: Socket,
  back: Socket,
  connection: { peer: Peer | undefined },
  own: OwnConnections,
): void {
  client.setNoDelay(true);
  back.setNoDelay(true);
  let port = 0;
  const end = () => {
    // Both sides end here: by the second time the port may be that of a newer connection.
    if (own.get(port) === connection) own.delete(port);
    client.destroy();
    back.destroy();
  };
  for (const socket of [client, back]) {
    socket.on("error", end);
    socket.once("close", end);
  }
  back.once("connect", () => {
    port = back.localPort ?? 0;
    own.set(port, connection);
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
