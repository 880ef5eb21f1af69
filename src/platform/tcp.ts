import { systemClock } from "../kernel/clock.ts";
import { errorMessage, UnavailableError } from "../kernel/errors.ts";

/** How long is waited after a connection that could not be accepted, ms. */
const PAUSE_MS = 50;

/** Where something listens. */
export interface TcpAddress {
  hostname: string;
  port: number;
}

/** A connected TCP socket. */
export interface TcpSocket {
  /** The other end. */
  readonly remote: TcpAddress;
  /** Reads what there is into `buffer`; null at the end of the stream. Rejects once the socket is closed. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the writing side: the peer reads the end of the stream. */
  closeWrite(): Promise<void>;
  /** Closes at once; with unread bytes waiting the peer gets a reset. Again is harmless. */
  close(): void;
}

/** An open TCP port. */
export interface TcpListener extends Disposable {
  readonly port: number;
}

/**
 * Listens and hands each connection to `onConnection`; port 0 asks for any free one. Disposing closes the
 * port, not the connections.
 * @throws {UnavailableError} when the address can't be had.
 */
export function listenTcp(
  { hostname, port }: TcpAddress,
  onConnection: (socket: TcpSocket) => void,
): TcpListener {
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname, port });
  } catch (cause) {
    const why = errorMessage(cause);
    throw new UnavailableError(`Cannot listen on ${hostname}:${port}: ${why}`, { cause });
  }
  const closed = new AbortController();
  void acceptAll(listener, onConnection, closed.signal);
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      closed.abort();
      listener.close();
    },
  };
}

/**
 * Connects.
 * @throws {UnavailableError} when nobody answers there.
 */
export async function connectTcp({ hostname, port }: TcpAddress): Promise<TcpSocket> {
  try {
    return toSocket(await Deno.connect({ hostname, port }));
  } catch (cause) {
    const why = errorMessage(cause);
    throw new UnavailableError(`Cannot connect to ${hostname}:${port}: ${why}`, { cause });
  }
}

async function acceptAll(
  listener: Deno.TcpListener,
  onConnection: (socket: TcpSocket) => void,
  closed: AbortSignal,
): Promise<void> {
  while (!closed.aborted) {
    let socket: TcpSocket;
    try {
      socket = toSocket(await listener.accept());
    } catch (error) {
      // A client gone between SYN and accept(), a process without file descriptors to spare: no reason to stop.
      if (!(error instanceof Deno.errors.ConnectionAborted)) {
        await systemClock.sleep(PAUSE_MS, closed);
      }
      continue;
    }
    try {
      onConnection(socket);
    } catch (error) {
      // A bug, but not the end of the port: told as what nobody caught.
      reportError(error);
    }
  }
}

function toSocket(connection: Deno.TcpConn): TcpSocket {
  connection.setNoDelay(true);
  let open = true;
  const { hostname, port } = connection.remoteAddr;
  return {
    remote: { hostname, port },
    read: (buffer) => connection.read(buffer),
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    closeWrite: () => connection.closeWrite(),
    close() {
      if (!open) return;
      open = false;
      connection.close();
    },
  };
}
