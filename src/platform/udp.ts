import { systemClock } from "../kernel/clock.ts";
import { errorMessage, UnavailableError } from "../kernel/errors.ts";

/** Where a datagram came from or goes to: an IP address and a port. */
export interface UdpAddress {
  hostname: string;
  port: number;
}

/** An open UDP port. Disposing closes it, also with a datagram on its way out. */
export interface UdpSocket extends Disposable {
  readonly port: number;
  /** Hands a datagram to the kernel. Rejects when there is no way to the address, or the socket is closed. */
  send(bytes: Uint8Array, to: UdpAddress): Promise<void>;
}

/** Longest datagram that is taken whole unless asked otherwise, bytes: no DNS reply that we ask for is longer. */
const RECEIVE_BYTES = 4_096;

/** Errors in a row that wrong datagrams may cause: more look as if the host itself were in need. */
const MAX_ERRORS = 10;

/** How long is waited after each one more, ms. */
const PAUSE_MS = 10;

/**
 * Opens a UDP port and hands each datagram, in memory of its own, to `onDatagram`; port 0 asks for any free
 * one, which the kernel chooses at random. A longer datagram than `maxBytes` arrives cut.
 *
 * @throws {UnavailableError} when the address can't be had.
 */
export function bindUdp(
  { hostname, port }: UdpAddress,
  onDatagram: (bytes: Uint8Array<ArrayBuffer>, from: UdpAddress) => void,
  { maxBytes = RECEIVE_BYTES }: { maxBytes?: number } = {},
): UdpSocket {
  let socket: Deno.DatagramConn;
  try {
    socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  } catch (cause) {
    const why = errorMessage(cause);
    throw new UnavailableError(`Cannot listen on ${hostname}:${port}/udp: ${why}`, { cause });
  }
  const closed = new AbortController();
  void receiveAll(socket, onDatagram, maxBytes, closed.signal);
  return {
    port: (socket.addr as Deno.NetAddr).port,
    async send(bytes, to) {
      await socket.send(bytes, { transport: "udp", hostname: to.hostname, port: to.port });
    },
    [Symbol.dispose]() {
      if (closed.signal.aborted) return;
      closed.abort();
      socket.close();
    },
  };
}

async function receiveAll(
  socket: Deno.DatagramConn,
  onDatagram: (bytes: Uint8Array<ArrayBuffer>, from: UdpAddress) => void,
  maxBytes: number,
  closed: AbortSignal,
): Promise<void> {
  const buffer = new Uint8Array(maxBytes);
  for (let errors = 0; !closed.aborted;) {
    let received: [Uint8Array, Deno.Addr];
    try {
      received = await socket.receive(buffer);
    } catch {
      // An ICMP message about a datagram that was sent ends up here; a closed socket does too.
      if (++errors > MAX_ERRORS) await systemClock.sleep(PAUSE_MS, closed);
      continue;
    }
    errors = 0;
    // What was received in the moment of closing is nobody's.
    if (closed.aborted) return;
    try {
      onDatagram(received[0].slice() as Uint8Array<ArrayBuffer>, received[1] as Deno.NetAddr);
    } catch (error) {
      // A bug, but not the end of the port: told as what nobody caught.
      reportError(error);
    }
  }
}
