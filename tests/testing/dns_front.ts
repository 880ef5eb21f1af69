import { Forwarder, type ForwarderOptions } from "../../src/dns/forward/forwarder.ts";
import type { ForwardEvent } from "../../src/dns/forward/forward_event.ts";
import type { Next } from "../../src/dns/chain.ts";
import { MessageStream } from "../../src/dns/forward/message_stream.ts";
import { decodeMessage, type Message } from "../../src/dns/wire/message.ts";
import { receiveQuery } from "../../src/dns/wire/query.ts";
import { formatRejection, formatReply, replyLimit } from "../../src/dns/wire/reply.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { errorMessage } from "../../src/kernel/errors.ts";
import { dial } from "../../src/platform/dial.ts";
import { listenTcp, type TcpListener, type TcpSocket } from "../../src/platform/tcp.ts";
import { bindUdp } from "../../src/platform/udp.ts";

type Reply = (
  packet: Uint8Array,
  transport: "udp" | "tcp",
) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;

/** A DNS server on UDP and TCP of the same loopback port. */
export interface DnsFront extends Disposable {
  readonly port: number;
  /** TCP connections that were made to it. */
  readonly connections: number;
  /** Closes the TCP connections that are open. */
  hangUp(): void;
}

/** Serves what `reply` says to each packet. */
export function serveDns(reply: Reply, hostname = "127.0.0.1"): DnsFront {
  for (;;) {
    try {
      return tryToServe(reply, hostname);
    } catch (error) {
      // The port that UDP got may be somebody's on TCP.
      if (!errorMessage(error).includes("in use")) throw error;
    }
  }
}

function tryToServe(reply: Reply, hostname: string): DnsFront {
  const sockets = new Set<TcpSocket>();
  let connections = 0;
  const udp = bindUdp({ hostname, port: 0 }, (packet, from) => {
    void (async () => {
      for (const bytes of await reply(packet, "udp")) await udp.send(bytes, from).catch(() => {});
    })();
  });
  const serve = async (socket: TcpSocket) => {
    connections++;
    sockets.add(socket);
    const frames = new MessageStream({
      read: async () => {
        const buffer = new Uint8Array(4_096);
        const length = await socket.read(buffer);
        return length === null ? null : buffer.subarray(0, length);
      },
      write: (bytes) => socket.write(bytes),
      closeWrite: () => socket.closeWrite(),
      close: () => socket.close(),
    });
    try {
      for (;;) {
        for (const bytes of await reply(await frames.read(), "tcp")) await frames.write(bytes);
      }
    } catch {
      // The client has left, or was hung up on.
    } finally {
      socket.close();
      sockets.delete(socket);
    }
  };
  let tcp: TcpListener;
  try {
    tcp = listenTcp({ hostname, port: udp.port }, (socket) => void serve(socket));
  } catch (error) {
    udp[Symbol.dispose]();
    throw error;
  }
  const hangUp = () => {
    for (const socket of sockets) socket.close();
  };
  return {
    port: udp.port,
    get connections() {
      return connections;
    },
    hangUp,
    [Symbol.dispose]: () => {
      hangUp();
      tcp[Symbol.dispose]();
      udp[Symbol.dispose]();
    },
  };
}

/** A name server that answers messages; see {@linkcode serveDns}. */
export function serveMessages(
  answer: (query: Message, transport: "udp" | "tcp") => readonly Uint8Array[],
  hostname?: string,
): DnsFront {
  return serveDns((packet, transport) => answer(decodeMessage(packet), transport), hostname);
}

/** A server that answers through a chain of handlers. */
export function serveChain(chain: Next): DnsFront {
  return serveDns(async (packet, transport) => {
    const received = receiveQuery(packet);
    if (received.state === "dropped") return [];
    if (received.state === "rejected") return [formatRejection(packet, received)];
    const { query } = received;
    const { answer } = await chain({
      query,
      transport,
      client: { address: "127.0.0.1", port: 0 },
    });
    return [formatReply(query, answer, { limit: replyLimit(query, transport) })];
  });
}

/** A forwarder on real sockets to the given addresses, and what it tells. */
export function createRealForwarder(
  upstreams: readonly { hostname: string; port: number }[],
  options: Partial<ForwarderOptions> = {},
): Forwarder & { events: ForwardEvent[] } {
  const events: ForwardEvent[] = [];
  const forwarder = new Forwarder(options, {
    clock: systemClock,
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    jitter: Math.random,
    bindUdp,
    connect: dial,
    notice: (event) => void events.push(event),
    mixedCase: true,
  });
  forwarder.configure({ upstreams, stubs: [] });
  return Object.assign(forwarder, { events });
}
