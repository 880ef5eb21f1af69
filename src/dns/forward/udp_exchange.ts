import type { Endpoint } from "../../config/scalars.ts";
import type { UdpAddress, UdpSocket } from "../../platform/udp.ts";
import { formatIp, parseIp } from "../wire/ip_address.ts";
import type { Message } from "../wire/message.ts";
import { matchReply, type OutgoingQuery } from "./outgoing_query.ts";

/** Opens a UDP port: see `platform/udp.ts`. */
export type BindUdp = (
  local: UdpAddress,
  onDatagram: (bytes: Uint8Array, from: UdpAddress) => void,
) => UdpSocket;

/** How an exchange over UDP ended. */
export type UdpReply =
  | { state: "reply"; message: Message }
  /** Only TCP can tell: the reply did not fit, keeps no spelling, or somebody sends others (RFC 5452). */
  | { state: "use-tcp"; why: "truncated" | "respelled" | "spoofed" }
  | { state: "not-understood" };

/** Packets that may be no reply before somebody is taken to be guessing. */
const MAX_STRANGERS = 50;

/** What is needed for an exchange. */
export interface UdpExchangePorts {
  bindUdp: BindUdp;
  /** A packet was no reply, and why. */
  ignored: (why: string) => void;
}

/**
 * Sends a query from a port of its own and waits for its reply; whatever else comes is passed over.
 *
 * @throws what the network says of the way to the upstream, or the signal's reason
 */
export async function askUdp(
  upstream: Endpoint,
  query: OutgoingQuery,
  { bindUdp, ignored }: UdpExchangePorts,
  signal: AbortSignal,
): Promise<UdpReply> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<UdpReply>();
  // It may be rejected while the query is still being sent.
  promise.catch(() => {});
  let strangers = 0;
  const ignore = (why: string) => {
    ignored(why);
    if (++strangers >= MAX_STRANGERS) resolve({ state: "use-tcp", why: "spoofed" });
  };
  const onDatagram = (bytes: Uint8Array, from: UdpAddress) => {
    if (from.port !== upstream.port || !isSameIp(from.hostname, upstream.hostname)) {
      return ignore("source");
    }
    const match = matchReply(query, bytes);
    switch (match.state) {
      case "reply":
        if (match.message.truncated) return resolve({ state: "use-tcp", why: "truncated" });
        return resolve(match);
      case "respelled":
        return resolve({ state: "use-tcp", why: "respelled" });
      case "not-understood":
        return resolve(match);
      case "cut":
        return resolve({ state: "use-tcp", why: "truncated" });
      case "other":
        return ignore(match.why);
      default:
        return match satisfies never;
    }
  };
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  let socket: UdpSocket | undefined;
  try {
    const any = upstream.hostname.includes(":") ? "::" : "0.0.0.0";
    socket = bindUdp({ hostname: any, port: 0 }, onDatagram);
    await socket.send(query.packet, upstream);
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket?.[Symbol.dispose]();
  }
}

function isSameIp(a: string, b: string): boolean {
  return a === b || formatIp(parseIp(a) ?? []) === formatIp(parseIp(b) ?? []);
}
