import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Source } from "./chain.ts";
import { formatRcode } from "./wire/rcode.ts";

/** What the server counts. */
export interface DnsMetrics {
  answered(transport: "udp" | "tcp", rcode: number, source: Source, tookMs: number): void;
  /** A packet that must not be answered. */
  dropped(): void;
  tcpOpened(): void;
  tcpClosed(why: string): void;
  objects: Gauge<"kind">;
  changedAt: Gauge;
}

/** Registers the module's metrics. */
export function createDnsMetrics(registry: Registry): DnsMetrics {
  const registers = [registry];
  const answers = new Counter({
    name: "edge_agent_dns_answers_total",
    help: "Answers by transport, rcode and where they came from.",
    labelNames: ["transport", "rcode", "source"],
    registers,
  });
  const latency = new Histogram({
    name: "edge_agent_dns_answer_duration_seconds",
    help: "Time from a question to its answer by where that came from.",
    labelNames: ["source"],
    buckets: [0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1, 2, 5],
    registers,
  });
  const dropped = new Counter({
    name: "edge_agent_dns_dropped_total",
    help: "Packets that were no questions.",
    registers,
  });
  const connections = new Gauge({
    name: "edge_agent_dns_tcp_connections_count",
    help: "Open TCP connections of clients.",
    registers,
  });
  const closed = new Counter({
    name: "edge_agent_dns_tcp_closed_total",
    help: "Ended TCP connections of clients by reason.",
    labelNames: ["why"],
    registers,
  });
  // Looked up once: this is counted a hundred thousand times a second.
  const counters = new Map<string, { inc(): void }>();
  const timers = new Map<Source, { observe(seconds: number): void }>();
  return {
    answered(transport, rcode, source, tookMs) {
      const key = `${transport} ${rcode} ${source}`;
      let counter = counters.get(key);
      if (counter === undefined) {
        counter = answers.labels({ transport, rcode: formatRcode(rcode), source });
        counters.set(key, counter);
      }
      counter.inc();
      let timer = timers.get(source);
      if (timer === undefined) timers.set(source, timer = latency.labels({ source }));
      timer.observe(tookMs / 1_000);
    },
    dropped: () => dropped.inc(),
    tcpOpened: () => connections.inc(),
    tcpClosed(why) {
      connections.dec();
      closed.inc({ why });
    },
    objects: new Gauge({
      name: "edge_agent_dns_objects_count",
      help: "Objects that the cluster zone is made of.",
      labelNames: ["kind"],
      registers,
    }),
    changedAt: new Gauge({
      name: "edge_agent_dns_zone_changed_timestamp_seconds",
      help: "When the cluster zone changed last, seconds since the Unix epoch.",
      registers,
    }),
  };
}
