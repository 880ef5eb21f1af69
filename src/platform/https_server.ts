import type { X509Certificate } from "node:crypto";
import type { AddressInfo, Server } from "node:net";
import { UsageError } from "../kernel/errors.ts";
import { checkTls, peerOf, type TlsTexts } from "./client_certificate.ts";
import {
  type ClientConnection,
  type ConnectionHandler,
  createHttpFront,
  type HttpFront,
} from "./http_front.ts";
import { type HttpServer, listenError, type ListenOptions, serveHttp } from "./net.ts";

/** PEM texts and address of a TLS listener. */
export type TlsListenOptions = ListenOptions & { tls: TlsTexts };

/** A running server whose connections can be taken over and cut. */
export interface FrontServer extends HttpServer {
  /** The loopback port behind it, which answers nobody else; undefined on a runtime that needs none. */
  readonly innerPort: number | undefined;
}

/** A running TLS server. */
export interface HttpsServer extends FrontServer {
  /**
   * Shows another certificate and knows other clients from the next connection on; open ones stay as they
   * are. On a runtime without `node:tls` to listen with nothing happens before the next start.
   *
   * @throws {UsageError} when these texts can't be used: all stays as it was
   */
  renew(tls: TlsTexts): void;
}

/** Stands for a connection that is out of our hands. */
const NO_CONNECTION: ClientConnection = {
  peer: undefined,
  canLeaveHttp: false,
  takeOver: () => undefined,
  cut: () => {},
};

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
  handler: ConnectionHandler,
): Promise<HttpsServer> {
  let authorities = checkTls(options.tls);
  if (!canListenWithNodeTls(Deno.version.deno)) {
    if (options.tls.clientCa !== undefined) {
      throw new UsageError(
        `Cannot ask clients for certificates on Deno ${Deno.version.deno}: "clientCA" needs Deno 2.9 or later. Leave it out (local tokens work everywhere) or use a build on a newer runtime`,
      );
    }
    const server = serveHttp(options, (request) => handler(request, NO_CONNECTION));
    return Object.assign(server, { innerPort: undefined, renew: () => {} });
  }
  // Loaded when needed: most commands never listen.
  const { createServer } = await import("node:tls");
  const front = await createHttpFront(handler);
  const server = createServer(
    toContext(options.tls, authorities),
    (client) => front.accept(client, peerOf(client, authorities, Date.now())),
  );
  // What a broken client causes is its own business.
  server.on("tlsClientError", () => {});
  const listening = await listen(server, front, options);
  return Object.assign(listening, {
    renew(tls: TlsTexts) {
      const renewed = checkTls(tls);
      server.setSecureContext(toContext(tls, renewed));
      authorities = renewed;
    },
  });
}

/**
 * Serves plain HTTP so that a connection can be taken over or cut, which {@linkcode serveHttp} can not.
 *
 * @throws {UnavailableError} when the address can't be had.
 */
export async function serveHttpFront(
  options: { hostname: string; port: number },
  handler: ConnectionHandler,
): Promise<FrontServer> {
  const { createServer } = await import("node:net");
  const front = await createHttpFront(handler);
  return await listen(createServer((client) => front.accept(client)), front, options);
}

/** Whether that version of Deno has a `node:tls` to listen with. */
export function canListenWithNodeTls(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > NODE_TLS_SINCE[0] || (major === NODE_TLS_SINCE[0] && minor >= NODE_TLS_SINCE[1]);
}

function toContext({ cert, key, clientCa }: TlsTexts, authorities: readonly X509Certificate[]) {
  return {
    cert,
    key,
    ALPNProtocols: ["h2", "http/1.1"],
    // Whoever shows nothing good is nobody, and is served as such.
    ...(authorities.length > 0 && { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
  };
}

/** Listens; what the front holds ends with the server, or if it can't listen. */
async function listen(
  server: Server,
  front: HttpFront,
  { hostname, port }: ListenOptions,
): Promise<FrontServer> {
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error) => reject(listenError(hostname, port, error));
      server.once("error", fail);
      server.listen(port, hostname, () => {
        server.off("error", fail);
        server.on("error", () => {});
        resolve();
      });
    });
  } catch (error) {
    await front[Symbol.asyncDispose]();
    throw error;
  }
  return {
    hostname,
    port: (server.address() as AddressInfo).port,
    innerPort: front.innerPort,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await front[Symbol.asyncDispose]();
      await closed;
    },
  };
}
