import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Source } from "./chain.ts";
import type { ForwardEvent } from "./forward/forward_event.ts";
import type { UpstreamStatus } from "./forward/forwarder.ts";
import { formatRcode } from "./wire/rcode.ts";
import type { ClusterZone } from "./zone/cluster_zone.ts";

/** What the server counts. */
export interface DnsMetrics {
  answered(transport: "udp" | "tcp", rcode: number, source: Source, tookMs: number): void;
  /** A packet that must not be answered. */
  dropped(): void;
  tcpOpened(): void;
  tcpClosed(why: string): void;
  forwarded(event: ForwardEvent): void;
}

/**
 * Registers the module's metrics.
 *
 * @param zone what the zone is made of is counted at each scrape
 * @param upstreams who is asked now, looked at then, too
 */
export function createDnsMetrics(
  registry: Registry,
  zone: Pick<ClusterZone, "state">,
  upstreams: () => readonly UpstreamStatus[],
): DnsMetrics {
  const registers = [registry];
  new Gauge({
    name: "edge_agent_dns_objects_count",
    help: "Objects that the cluster zone is made of.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const kind of ["service", "endpointSlice", "namespace"] as const) {
        this.set({ kind }, zone.state.facts(kind).size);
      }
    },
  });
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
  const upstreamSeconds = new Histogram({
    name: "edge_agent_dns_upstream_duration_seconds",
    help: "Time that name servers took to answer.",
    labelNames: ["upstream", "transport"],
    buckets: [0.001, 0.01, 0.05, 0.1, 0.5, 1, 2, 5],
    registers,
  });
  const upstreamFailures = new Counter({
    name: "edge_agent_dns_upstream_failures_total",
    help: "Questions that a name server did not answer.",
    labelNames: ["upstream"],
    registers,
  });
  const ignored = new Counter({
    name: "edge_agent_dns_ignored_replies_total",
    help: "Packets that are no reply to what was asked: forged, late or broken ones.",
    labelNames: ["why"],
    registers,
  });
  new Gauge({
    name: "edge_agent_dns_upstream_state_info",
    help: "1 for the state that a name server is in, for the names of a zone.",
    labelNames: ["upstream", "zone", "state"],
    registers,
    collect() {
      this.reset();
      for (const { upstream, zone = ".", state } of upstreams()) {
        this.set({ upstream, zone, state }, 1);
      }
    },
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
    forwarded(event) {
      const { upstream } = event;
      switch (event.kind) {
        case "answered":
          return upstreamSeconds.observe(
            { upstream, transport: event.transport },
            event.ms / 1_000,
          );
        case "failed":
          return upstreamFailures.inc({ upstream });
        case "ignored":
          return ignored.inc({ why: event.why });
        case "state":
          return;
        default:
          return event satisfies never;
      }
    },
  };
}
