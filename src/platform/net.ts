import { errorMessage, UnavailableError } from "../kernel/errors.ts";

/** Where and how a server listens. Port 0 asks for any free port. */
export interface ListenOptions {
  hostname: string;
  port: number;
  /** PEM texts; without them the listener is plain HTTP. */
  tls?: { cert: string; key: string };
}

/** A running HTTP server. */
export interface HttpServer extends AsyncDisposable {
  readonly hostname: string;
  /** The port in use, also when 0 was asked for. */
  readonly port: number;
}

/** Time that open responses get to end by themselves when a server stops, ms. */
const STOP_GRACE_MS = 2_000;

/**
 * Serves HTTP/1.1, and over TLS HTTP/2 too; for TLS see `serveHttps`, which is faster where there
 * is a person or a program waiting. Disposing stops it within two seconds, whatever clients do.
 *
 * @throws {UnavailableError} when the address can't be had.
 */
export function serveHttp(
  options: ListenOptions,
  handler: (request: Request) => Response | Promise<Response>,
): HttpServer {
  return serveHttpFor(options, handler);
}

/** Like {@linkcode serveHttp}; the handler is also told where the client's connection comes from. */
export function serveHttpFor(
  options: ListenOptions,
  handler: (
    request: Request,
    peer: { hostname: string; port: number },
  ) => Response | Promise<Response>,
): HttpServer {
  const { hostname, port, tls } = options;
  const controller = new AbortController();
  /** Responses not yet sent to their end. */
  const open = new Set<Promise<void>>();
  let stopping = false;
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname,
      port,
      ...tls,
      signal: controller.signal,
      onListen: () => {},
      // Reached only when a handler breaks its promise never to throw: no stack goes to the client.
      onError: () => new Response("internal error\n", { status: 500 }),
    }, (request, info) => {
      if (stopping) return new Response("stopping\n", { status: 503 });
      const sent = info.completed.catch(() => {}).finally(() => open.delete(sent));
      open.add(sent);
      return handler(request, info.remoteAddr as Deno.NetAddr);
    }) as Deno.HttpServer<Deno.NetAddr>;
  } catch (error) {
    throw listenError(hostname, port, error);
  }
  return {
    hostname,
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      stopping = true;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const limit = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_GRACE_MS));
      await Promise.race([Promise.all(open), limit]);
      clearTimeout(timer);
      // Not `server.shutdown()` first: an abort after it is an uncaught BadResource (Deno 2.9.6).
      controller.abort();
      await server.finished;
    },
  };
}

/** Why an address can't be listened on, and what to do, from what the platform threw. */
export function listenError(hostname: string, port: number, error: unknown): UnavailableError {
  const where = `${hostname}:${port}`;
  const code = (error as { code?: unknown } | null)?.code;
  const why =
    LISTEN_ERRORS.find(({ type, codes }) => error instanceof type || codes.includes(String(code)))
      ?.why(port) ?? errorMessage(error);
  return new UnavailableError(`Cannot listen on ${where}: ${why}`, { cause: error });
}

const LISTEN_ERRORS: readonly {
  type: new (message?: string) => Error;
  codes: string[];
  why: (port: number) => string;
}[] = [
  {
    type: Deno.errors.AddrInUse,
    codes: ["EADDRINUSE"],
    why: (port) =>
      `another process holds the port (ss -ltnp "sport = :${port}" names it); stop it or configure another "listen"`,
  },
  {
    type: Deno.errors.AddrNotAvailable,
    codes: ["EADDRNOTAVAIL"],
    why: () => 'this host has no such address; configure another "listen"',
  },
  {
    type: Deno.errors.PermissionDenied,
    codes: ["EACCES", "EPERM"],
    why: () => "not permitted (a port below 1024 needs root or CAP_NET_BIND_SERVICE)",
  },
];

/** How an HTTP client reaches and trusts its servers, and who it is. PEM texts. */
export interface HttpClientOptions {
  /** Certificates to trust instead of the system's. */
  caCerts?: string[];
  cert?: string;
  key?: string;
  /** "h2" keeps many streams on one connection; "http/1.1" is for plain HTTP and for servers without h2. */
  protocol: "h2" | "http/1.1";
}

/** An HTTP client with connections of its own. */
export interface HttpClient extends Disposable {
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** Makes a client; nothing is connected before the first fetch. Dispose only after aborting its fetches. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { caCerts, cert, key, protocol } = options;
  const h2 = protocol === "h2";
  const client = Deno.createHttpClient({
    ...(caCerts && { caCerts }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    http1: !h2,
    http2: h2,
    allowHost: true,
  });
  return {
    fetch: (url, init) => fetch(url, { ...init, redirect: "manual", client }),
    [Symbol.dispose]: () => client.close(),
  };
}
