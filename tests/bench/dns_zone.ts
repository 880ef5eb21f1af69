/**
 * The cluster zone alone, from the bytes of a query to the bytes of its reply, without a socket: answers
 * per second on one core, and what 10,000 Services with 50,000 endpoints take of memory.
 *
 *     deno run -A --v8-flags=--expose-gc tests/bench/dns_zone.ts [--pod-names]
 */
import { parseType } from "../../src/dns/wire/record_type.ts";
import { receiveQuery } from "../../src/dns/wire/query.ts";
import { formatReply, MAX_UDP_BYTES, replyLimit } from "../../src/dns/wire/reply.ts";
import type { EndpointSliceFacts } from "../../src/dns/zone/endpoint_slice_facts.ts";
import { toEndpointSliceFacts } from "../../src/dns/zone/endpoint_slice_facts.ts";
import { ClusterZone } from "../../src/dns/zone/cluster_zone.ts";
import { reverseNameOf } from "../../src/dns/zone/reverse_name.ts";
import { type ServiceFacts, toServiceFacts } from "../../src/dns/zone/service_facts.ts";
import { HTTP, service, slice } from "../testing/dns_cluster.ts";
import { ednsOf, queryPacket } from "../testing/dns_messages.ts";

const print = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

const SERVICES = 10_000;
const ENDPOINTS_EACH = 5;
const NAMESPACES = 100;
/** One Service in so many is headless. */
const HEADLESS_EACH = 10;
/** As in `endpointPodNames`. */
const POD_NAMES = Deno.args.includes("--pod-names");
const BUSY_MS = 2_000;
const MIB = 2 ** 20;

const namespaceOf = (i: number) => `team-${i % NAMESPACES}`;
const nameOf = (i: number) => `service-${i}`;
const clusterIpOf = (i: number) => `10.96.${i >> 8}.${i & 255}`;
const endpointOf = (i: number) => `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
const fullName = (i: number) => `${nameOf(i)}.${namespaceOf(i)}.svc.cluster.local`;

/** As an informer does: bytes are parsed, and only the facts are kept. */
const parsed = (object: unknown): unknown => JSON.parse(JSON.stringify(object));

function factsOf(i: number): { service: ServiceFacts; slice: EndpointSliceFacts } {
  const [namespace, name] = [namespaceOf(i), nameOf(i)];
  const clusterIP = i % HEADLESS_EACH === 0 ? "None" : clusterIpOf(i);
  const endpoints = Array.from({ length: ENDPOINTS_EACH }, (_, n) => ({
    addresses: [endpointOf(i * ENDPOINTS_EACH + n)],
    conditions: { ready: true },
    targetRef: { kind: "Pod", name: `${name}-7d4b9c8f5-x${n}` },
  }));
  return {
    service: toServiceFacts(parsed(service(namespace, name, { clusterIP, ports: [HTTP] }))),
    slice: toEndpointSliceFacts(
      parsed(slice(namespace, `${name}-abcde`, name, endpoints, [HTTP])),
      { podNames: POD_NAMES },
    ),
  };
}

const gc = (globalThis as { gc?: () => void }).gc;

function used(): { heap: number; rss: number } {
  gc?.();
  gc?.();
  const { heapUsed, external, rss } = Deno.memoryUsage();
  return { heap: heapUsed + external, rss };
}

const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;

function build(): ClusterZone {
  const zone = new ClusterZone({ pods: "insecure" }, { now: Date.now });
  for (let i = 0; i < SERVICES; i++) {
    const { service, slice } = factsOf(i);
    zone.apply({ kind: "service", key: `${service.namespace}/${service.name}`, facts: service });
    zone.apply({ kind: "endpointSlice", key: `${slice.namespace}/${slice.name}`, facts: slice });
  }
  zone.synced = true;
  return zone;
}

let turn = 0;
/** As a server has one for each datagram that is on its way. */
const into = new Uint8Array(MAX_UDP_BYTES);

function reply(zone: ClusterZone, packet: Uint8Array): Uint8Array {
  const received = receiveQuery(packet);
  if (received.state !== "query") throw new Error(received.why);
  const said = zone.answer(received.query.name, received.query.type);
  if (said.state !== "answered") throw new Error(said.state);
  const limit = replyLimit(received.query, "udp");
  return formatReply(received.query, said.answer, { limit, turn: turn++, into });
}

const ask = (name: string, type: string) =>
  queryPacket(name, parseType(type), { edns: ednsOf(1232) });
const all = Array.from({ length: SERVICES }, (_, i) => i);
const withClusterIp = all.filter((i) => i % HEADLESS_EACH !== 0);
const headless = all.filter((i) => i % HEADLESS_EACH === 0);

const CASES: readonly { name: string; packets: Uint8Array[] }[] = [
  { name: "A of a ClusterIP", packets: withClusterIp.map((i) => ask(fullName(i), "A")) },
  { name: "A of a ClusterIP, one name", packets: [ask(fullName(1), "A")] },
  {
    name: "AAAA of a ClusterIP (NODATA)",
    packets: withClusterIp.map((i) => ask(fullName(i), "AAAA")),
  },
  {
    name: "A behind a search path (NXDOMAIN)",
    packets: all.map((i) => ask(`host-${i}.example.com.${namespaceOf(i)}.svc.cluster.local`, "A")),
  },
  { name: "A of a headless Service", packets: headless.map((i) => ask(fullName(i), "A")) },
  {
    name: "SRV of a headless Service",
    packets: headless.map((i) => ask(`_http._tcp.${fullName(i)}`, "SRV")),
  },
  {
    name: "A of an endpoint",
    packets: headless.map((i) =>
      ask(`${endpointOf(i * ENDPOINTS_EACH).replaceAll(".", "-")}.${fullName(i)}`, "A")
    ),
  },
  {
    name: "PTR of a ClusterIP",
    packets: withClusterIp.map((i) => ask(reverseNameOf(clusterIpOf(i)), "PTR")),
  },
];

const before = used();
const started = performance.now();
const zone = build();
const builtMs = performance.now() - started;
const after = used();
print(
  `${SERVICES} Services, ${SERVICES * ENDPOINTS_EACH} endpoints in ${builtMs.toFixed(0)} ms`,
);
print(`memory: heap +${mib(after.heap - before.heap)}, rss +${mib(after.rss - before.rss)}`);

for (const { name, packets } of CASES) {
  // Once to make the answers, and once more for the compiler.
  const cold = performance.now();
  for (const packet of packets) reply(zone, packet);
  const coldMs = performance.now() - cold;
  let [count, size] = [0, 0];
  const start = performance.now();
  while (performance.now() - start < BUSY_MS) {
    for (let i = 0; i < 1_000; i++) size += reply(zone, packets[count++ % packets.length]!).length;
  }
  const qps = count / ((performance.now() - start) / 1000);
  const coldQps = packets.length / (coldMs / 1000);
  print(
    `${name}: ${Math.round(qps)}/s, first time ${Math.round(coldQps)}/s, ${
      Math.round(size / count)
    } bytes`,
  );
}

const asked = used();
print(
  `memory after all of these: heap +${mib(asked.heap - before.heap)}, rss +${
    mib(asked.rss - before.rss)
  }`,
);

const flips = all.map((i) => factsOf(i).slice).map((facts) => ({
  kind: "endpointSlice" as const,
  key: `${facts.namespace}/${facts.name}`,
  facts: { ...facts, endpoints: facts.endpoints.slice(1), notReady: 1 },
}));
const start = performance.now();
for (const change of flips) zone.apply(change);
const changeUs = (performance.now() - start) * 1000 / flips.length;
print(`a change of an EndpointSlice: ${changeUs.toFixed(1)} us`);
