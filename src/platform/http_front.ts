import type { Socket } from "node:net";
import type { ByteStream } from "../kernel/byte_stream.ts";
import type { Peer } from "./client_certificate.ts";
import { serveHttpFor } from "./net.ts";
import { ReadGate, toByteStream } from "./node_stream.ts";
import { readOpening } from "./request_opening.ts";

/** The connection that a request came by. */
export interface ClientConnection {
  /** The client, if it showed a certificate that is good. */
  readonly peer: Peer | undefined;
  /** Whether it can be taken over: HTTP/1.1, and a socket that is in our hands. */
  readonly canLeaveHttp: boolean;
  /**
   * Takes the socket out of HTTP: from now on its bytes are the taker's, and whatever the handler answers
   * goes nowhere. Undefined where that can't be, and when the client is gone. A client may not send anything behind
   * the request's head before it is answered 101 (RFC 9110 7.8): what it sends all the same is lost.
   */
  takeOver(): ByteStream | undefined;
  /** Cuts a connection that carries this one request. One of HTTP/2, which carries others, stays. */
  cut(): void;
}

/** Answers a request that came by a connection. */
export type ConnectionHandler = (
  request: Request,
  connection: ClientConnection,
) => Response | Promise<Response>;

/** The sockets of clients in front of a `Deno.serve` on a loopback port, which answers nobody else. */
export interface HttpFront extends AsyncDisposable {
  /** The loopback port. */
  readonly innerPort: number;
  /** Serves a client's socket, in plain text. */
  accept(client: Socket, peer?: Peer): void;
}

/** Time in which the first bytes must tell what they are, before they are passed on as they are, ms. */
const OPENING_MS = 10_000;

/**
 * Starts a front. `Deno.serve` can neither hand over nor cut a connection: the front, which has the
 * client's socket, can.
 */
export async function createHttpFront(handler: ConnectionHandler): Promise<HttpFront> {
  // Loaded when needed: most commands never listen.
  const { connect } = await import("node:net");
  /** By the local port of the way to the inner server: all others there are strangers. */
  const connections = new Map<number, FrontConnection>();
  const clients = new Set<Socket>();
  const inner = serveHttpFor({ hostname: "127.0.0.1", port: 0 }, (request, peer) => {
    const connection = peer.hostname === "127.0.0.1" ? connections.get(peer.port) : undefined;
    return connection === undefined
      ? new Response(null, { status: 403 })
      : handler(request, connection);
  });
  return {
    innerPort: inner.port,
    accept(client, peer) {
      clients.add(client);
      client.once("close", () => clients.delete(client));
      const back = connect(inner.port, "127.0.0.1");
      const connection = new FrontConnection(client, back, peer);
      let port = 0;
      back.once("connect", () => {
        port = back.localPort ?? 0;
        connections.set(port, connection);
        connection.start();
      });
      back.once("close", () => {
        // By now the port may be that of a newer connection.
        if (connections.get(port) === connection) connections.delete(port);
      });
    },
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]();
      for (const client of clients) client.destroy();
    },
  };
}

/** A client's socket and the way to the inner server. */
class FrontConnection implements ClientConnection {
  readonly peer: Peer | undefined;
  readonly #client: Socket;
  readonly #back: Socket;
  readonly #gate: ReadGate;
  #protocol: "h2" | "http/1.1" = "h2";
  #held: Uint8Array | undefined = new Uint8Array(0);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Socket, back: Socket, peer: Peer | undefined) {
    this.peer = peer;
    this.#client = client;
    this.#back = back;
    this.#gate = new ReadGate(client);
    for (const socket of [client, back]) {
      socket.setNoDelay(true);
      socket.on("error", this.#end);
      socket.once("close", this.#end);
    }
  }

  /** Carries bytes both ways until either side ends. */
  start(): void {
    const [client, back] = [this.#client, this.#back];
    this.#timer = setTimeout(() => this.#pass(this.#held!), OPENING_MS);
    client.on("data", this.#onData);
    client.once("end", this.#onEnd);
    back.on("drain", this.#onDrain);
    back.pipe(client);
  }

  get canLeaveHttp(): boolean {
    return this.#protocol === "http/1.1";
  }

  takeOver(): ByteStream | undefined {
    const [client, back] = [this.#client, this.#back];
    if (!this.canLeaveHttp || client.destroyed || back.destroyed) return undefined;
    back.unpipe(client);
    client.off("data", this.#onData);
    client.off("end", this.#onEnd);
    for (const socket of [client, back]) socket.off("close", this.#end);
    back.off("drain", this.#onDrain);
    const stream = toByteStream(client, this.#gate);
    back.destroy();
    return stream;
  }

  cut(): void {
    if (this.canLeaveHttp) this.#end();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#held === undefined) return this.#send(chunk);
    this.#held = this.#held.length === 0 ? chunk : join(this.#held, chunk);
    const opening = readOpening(this.#held);
    if (opening.kind === "wait") return;
    this.#protocol = opening.protocol;
    this.#pass(opening.bytes);
  };

  /** The opening is known, or not worth waiting for. */
  #pass(bytes: Uint8Array): void {
    clearTimeout(this.#timer);
    this.#held = undefined;
    if (bytes.length > 0) this.#send(bytes);
  }

  #send(bytes: Uint8Array): void {
    if (!this.#back.write(bytes)) this.#gate.shut();
  }

  readonly #onDrain = (): void => this.#gate.open();

  readonly #onEnd = (): void => {
    if (this.#held !== undefined) this.#pass(this.#held);
    this.#back.end();
  };

  readonly #end = (): void => {
    clearTimeout(this.#timer);
    this.#client.destroy();
    this.#back.destroy();
  };
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
