import type { Clock } from "../../kernel/clock.ts";
import { createFailure, type DnsRequest, type Handled, type Next } from "../chain.ts";
import type { DnsMetrics } from "../metrics.ts";
import { type Query, receiveQuery } from "../wire/query.ts";
import { EDE, RCODE } from "../wire/rcode.ts";
import { CLASS_IN } from "../wire/record_type.ts";
import { formatRejection, formatReply, replyLimit } from "../wire/reply.ts";
import type { Client, Respond } from "./tcp_server.ts";

/** What a responder works with. */
export interface ResponderPorts {
  /** What answers. */
  chain: Next;
  clock: Clock;
  metrics: DnsMetrics;
  /** Questions of class CH, for the host itself; undefined when it is none that is known. */
  explain: (query: Query, client: Client) => Handled | Promise<Handled> | undefined;
  /** Called after each answer, where that is asked for. */
  log?: (request: DnsRequest, handled: Handled, tookMs: number) => void;
}

/** Questions that wait for somebody else at the same time; beyond, new ones are refused. */
const MAX_WAITING = 4_096;

/** How an IPv6 address begins that stands for an IPv4 one. */
const MAPPED = "::ffff:";

const BUSY = createFailure(RCODE.REFUSED, "too many questions wait for an answer", EDE.OTHER);
const FAILED = createFailure(RCODE.SERVFAIL, "the server failed", EDE.OTHER);
const OTHER_CLASS = createFailure(RCODE.REFUSED, "only class IN is served", EDE.NOT_SUPPORTED);

/** Turns packets into answers. What is known is answered at once, without a turn of the event loop. */
export function createResponder(ports: ResponderPorts): Respond {
  const { chain, clock, metrics, explain, log } = ports;
  let waiting = 0;
  let turn = 0;

  const finish = (request: DnsRequest, query: Query, handled: Handled, startedMs: number) => {
    const { transport } = request;
    const tookMs = clock.monotonic() - startedMs;
    metrics.answered(transport, handled.answer.rcode, handled.source, tookMs);
    log?.(request, handled, tookMs);
    turn = (turn + 1) & 0xffff;
    return formatReply(query, handled.answer, { limit: replyLimit(query, transport), turn });
  };

  const ask = (request: DnsRequest, query: Query, client: Client) => {
    try {
      if (query.class === CLASS_IN) return chain(request);
      return explain(query, client) ?? OTHER_CLASS;
    } catch {
      // No handler throws; should one ever, it costs an answer and not the server.
      return FAILED;
    }
  };

  return (packet, peer, transport) => {
    const received = receiveQuery(packet);
    switch (received.state) {
      case "dropped":
        metrics.dropped();
        return undefined;
      case "rejected":
        metrics.answered(transport, received.rcode, "none", 0);
        return formatRejection(packet, received);
      case "query":
        break;
      default:
        return received satisfies never;
    }
    const { query } = received;
    const client = { address: withoutMapping(peer.address), port: peer.port };
    const startedMs = clock.monotonic();
    const request: DnsRequest = { query, transport, client };
    const handled = ask(request, query, client);
    if (!(handled instanceof Promise)) return finish(request, query, handled, startedMs);
    if (waiting >= MAX_WAITING) {
      handled.catch(() => {});
      return finish(request, query, BUSY, startedMs);
    }
    waiting++;
    return handled
      .catch(() => FAILED)
      .then((answered) => {
        waiting--;
        return finish(request, query, answered, startedMs);
      });
  };
}

/** An IPv4 client has its address in an IPv6 one (RFC 4291 2.5.5.2) where the server listens on `[::]`. */
function withoutMapping(address: string): string {
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}
