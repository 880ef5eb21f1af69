import { bindUdp, type UdpAddress } from "../../platform/udp.ts";
import type { Respond } from "./tcp_server.ts";

/** Longest query that is taken, bytes: longer ones have no business on UDP. */
const MAX_QUERY_BYTES = 4_096;

/** A running server. */
export interface UdpServer extends Disposable {
  /** The port in use, also when 0 was asked for. */
  readonly port: number;
}

/**
 * Answers datagrams.
 *
 * @throws {UnavailableError} when the address can't be had
 */
export function serveUdp(address: UdpAddress, respond: Respond): UdpServer {
  const socket = bindUdp(address, (packet, { hostname, port }) => {
    const send = (reply: Uint8Array | undefined) => {
      if (reply === undefined) return;
      // Who is gone by now will ask again, or not.
      socket.send(reply, { hostname, port }).catch(() => {});
    };
    const reply = respond(packet, { address: hostname, port }, "udp");
    if (reply instanceof Promise) void reply.then(send);
    else send(reply);
  }, { maxBytes: MAX_QUERY_BYTES });
  return socket;
}
