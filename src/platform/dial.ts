import type { ByteStream } from "../kernel/byte_stream.ts";

/** Whom to connect to, and as whom. PEM texts. */
export interface DialOptions {
  /** `https://host:port` or `http://host:port`; its path is not looked at. */
  url: string;
  /** Trusted besides the system's authorities. */
  ca?: string;
  certificate?: { cert: string; key: string };
  /** Gives up. */
  signal: AbortSignal;
}

/** Opens a connection for one HTTP/1.1 request, and for whatever it becomes; throws what went wrong, or the signal's reason. */
export type Dial = (options: DialOptions) => Promise<ByteStream>;

/** Most that is read at once. */
const READ_BYTES = 64 * 1024;

/**
 * Connects over TLS (ALPN `http/1.1`) or, to an `http:` server, without. Nagle's algorithm stays on under TLS,
 * where Deno has no way to switch it off: a frame that is written whole does not wait for anything.
 *
 * @throws what went wrong, or the signal's reason
 */
export async function dial({ url, ca, certificate, signal }: DialOptions): Promise<ByteStream> {
  const { protocol, hostname: host, port } = new URL(url);
  const hostname = host.replace(/^\[|\]$/g, "");
  signal.throwIfAborted();
  const connecting: Promise<Deno.TcpConn | Deno.TlsConn> = protocol === "https:"
    ? Deno.connectTls({
      hostname,
      port: Number(port || 443),
      alpnProtocols: ["http/1.1"],
      ...(ca !== undefined && { caCerts: [ca] }),
      ...certificate,
    })
    : Deno.connect({ hostname, port: Number(port || 80) });
  let connection: Deno.TcpConn | Deno.TlsConn | undefined;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => {
    aborted.reject(signal.reason);
    // One that is made all the same is not wanted any more.
    connecting.then((late) => close(late), () => {});
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    connection = await Promise.race([connecting, aborted.promise]);
    // Without it a certificate that fails would be found out at the first write only.
    if ("handshake" in connection) await Promise.race([connection.handshake(), aborted.promise]);
  } catch (error) {
    if (connection !== undefined) close(connection);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  if (!("handshake" in connection)) connection.setNoDelay(true);
  return toStream(connection);
}

function toStream(connection: Deno.TcpConn | Deno.TlsConn): ByteStream {
  return {
    async read() {
      const buffer = new Uint8Array(READ_BYTES);
      const length = await connection.read(buffer);
      return length === null ? null : buffer.subarray(0, length);
    },
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    closeWrite: () => connection.closeWrite(),
    close: () => close(connection),
  };
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
