import type { Clock } from "../../src/kernel/clock.ts";
import type { ByteStream } from "../../src/kernel/byte_stream.ts";
import type { UdpAddress } from "../../src/platform/udp.ts";
import type { BindUdp } from "../../src/dns/forward/udp_exchange.ts";
import type { Connect } from "../../src/dns/forward/tcp_connections.ts";
import {
  createMessage,
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../src/dns/wire/message.ts";
import type { ResourceRecord } from "../../src/dns/wire/record.ts";
import { TYPE } from "../../src/dns/wire/record_type.ts";
import { MemoryStream } from "./memory_stream.ts";

/** A packet that a server sends back. */
export interface FakePacket {
  bytes: Uint8Array;
  delayMs?: number;
  /** Who seems to send it; the server itself unless set. */
  from?: UdpAddress;
}

/** What a name server does with a query. */
export type FakeServer = (query: Message, transport: "udp" | "tcp") => FakePacket[];

/** The reply to a query with some fields set, as it stands on the wire. */
export function replyTo(query: Message, fields: Partial<Message> = {}): Uint8Array<ArrayBuffer> {
  const { id, questions, recursionDesired } = query;
  return encodeMessage(createMessage({
    id,
    questions,
    recursionDesired,
    response: true,
    recursionAvailable: true,
    ...fields,
  }));
}

/** An A record. */
export function a(name: string, address: string, ttlSeconds = 300): ResourceRecord {
  return { name, type: TYPE.A, class: 1, ttlSeconds, data: { kind: "address", address } };
}

/** An SOA record, as negative answers carry it. */
export function soa(name: string, ttlSeconds: number, minimum: number): ResourceRecord {
  const times = { serial: 1, refresh: 1, retry: 1, expire: 1, minimum };
  const data = { kind: "soa" as const, primary: "ns", mailbox: "mail", ...times };
  return { name, type: TYPE.SOA, class: 1, ttlSeconds, data };
}

/** A server that answers every question with one address, after `delayMs`. */
export function answering(address: string, delayMs = 0): FakeServer {
  return (query) => [{
    bytes: replyTo(query, { answers: [a(query.questions[0]!.name, address)] }),
    delayMs,
  }];
}

/** A server that never answers. */
export const silent: FakeServer = (): FakePacket[] => [];

/** Name servers by `address:port`, and the ways to them. A model: packets may be lost, late and forged. */
export class FakeDnsNetwork {
  readonly servers = new Map<string, FakeServer>();
  /** Queries that reached a server: `address:port udp name`, the name in lower case. */
  readonly seen: string[] = [];
  /** What becomes of TCP connections to servers, by `address:port`, that don't take any. */
  readonly withoutTcp = new Map<string, "refused" | "dropped">();
  /** What every send fails with, as without a route. */
  noRoute: Error | undefined;
  openSockets = 0;
  readonly #clock: Clock;
  #nextPort = 40_000;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Queries of a server, but for probes of its health. */
  queriesTo(address: string): string[] {
    return this.seen.filter((each) => each.startsWith(`${address} `) && !isProbe(each));
  }

  readonly bindUdp: BindUdp = (_local, onDatagram) => {
    this.openSockets++;
    let open = true;
    return {
      port: this.#nextPort++,
      send: (bytes, to) => {
        if (!open) return Promise.reject(new Error("closed"));
        if (this.noRoute !== undefined) return Promise.reject(this.noRoute);
        for (const packet of this.#serve(bytes, to, "udp")) {
          const deliver = () => {
            if (open) onDatagram(packet.bytes, packet.from ?? to);
          };
          if ((packet.delayMs ?? 0) === 0) queueMicrotask(deliver);
          else this.#clock.timer(packet.delayMs!, deliver);
        }
        return Promise.resolve();
      },
      [Symbol.dispose]: () => {
        if (open) this.openSockets--;
        open = false;
      },
    };
  };

  readonly connect: Connect = ({ url, signal }) => {
    const { hostname, port } = new URL(url);
    const to = { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
    if (this.noRoute !== undefined) return Promise.reject(this.noRoute);
    const address = `${to.hostname}:${to.port}`;
    if (this.withoutTcp.get(address) === "dropped") {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    if (this.withoutTcp.has(address) || !this.servers.has(address)) {
      return Promise.reject(new Error("connection refused"));
    }
    this.openSockets++;
    const stream = new MemoryStream();
    const client: ByteStream = {
      read: () => stream.read(),
      write: (bytes) => {
        const query = bytes.subarray(2);
        for (const { bytes } of this.#serve(query, to, "tcp")) {
          stream.say(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes);
        }
        return Promise.resolve();
      },
      closeWrite: () => stream.closeWrite(),
      close: () => {
        if (!stream.closed) this.openSockets--;
        stream.close();
      },
    };
    return Promise.resolve(client);
  };

  #serve(bytes: Uint8Array, to: UdpAddress, transport: "udp" | "tcp"): FakePacket[] {
    const address = `${to.hostname}:${to.port}`;
    const query = decodeMessage(bytes);
    this.seen.push(`${address} ${transport} ${query.questions[0]!.name.toLowerCase()}`);
    return this.servers.get(address)?.(query, transport) ?? [];
  }
}

function isProbe(seen: string): boolean {
  return /(udp|tcp) ([0-9a-f]{16}\.[0-9a-f]{16}(\..+)?)?$/.test(seen);
}
