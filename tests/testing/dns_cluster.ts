import assert from "node:assert/strict";
import { formatRecord } from "../../src/dns/wire/format_record.ts";
import { decodeMessage } from "../../src/dns/wire/message.ts";
import { parseName } from "../../src/dns/wire/name.ts";
import { receiveQuery } from "../../src/dns/wire/query.ts";
import { formatRcode } from "../../src/dns/wire/rcode.ts";
import { parseType } from "../../src/dns/wire/record_type.ts";
import { formatReply } from "../../src/dns/wire/reply.ts";
import { ClusterZone } from "../../src/dns/zone/cluster_zone.ts";
import { toEndpointSliceFacts } from "../../src/dns/zone/endpoint_slice_facts.ts";
import { toNamespaceFacts } from "../../src/dns/zone/namespace_facts.ts";
import { toPodFacts } from "../../src/dns/zone/pod_facts.ts";
import { toServiceFacts } from "../../src/dns/zone/service_facts.ts";
import type { ZoneOptions } from "../../src/dns/zone/zone_options.ts";
import { queryPacket } from "./dns_messages.ts";

/** A `v1.Service`. */
export function service(
  namespace: string,
  name: string,
  spec: Record<string, unknown>,
): Record<string, unknown> {
  return { metadata: { namespace, name }, spec };
}

/** An endpoint of an EndpointSlice. */
export interface Endpoint {
  addresses: string[];
  hostname?: string;
  conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
  targetRef?: { kind?: string; name: string };
}

/** A `discovery.k8s.io/v1.EndpointSlice` of `owner`. */
export function slice(
  namespace: string,
  name: string,
  owner: string,
  endpoints: readonly (string | Endpoint)[],
  ports?: readonly Record<string, unknown>[],
): Record<string, unknown> {
  return {
    metadata: { namespace, name, labels: { "kubernetes.io/service-name": owner } },
    ports,
    endpoints: endpoints.map((each) => typeof each === "string" ? { addresses: [each] } : each),
  };
}

/** A `v1.Pod`, as far as the zone reads it. */
export interface Pod {
  metadata: { namespace: string; name: string };
  status: { phase: string; podIP: string; podIPs: { ip: string }[] };
}

/** A pod with an address. */
export function pod(namespace: string, name: string, ip: string, phase = "Running"): Pod {
  return { metadata: { namespace, name }, status: { phase, podIP: ip, podIPs: [{ ip }] } };
}

export const HTTP = { name: "http", protocol: "TCP", port: 80 };

/** Objects of a cluster. */
export interface ClusterObjects {
  namespaces?: readonly string[];
  services?: readonly unknown[];
  slices?: readonly unknown[];
  pods?: readonly unknown[];
}

/** What a test's clock shows, seconds: the serial of zones. */
export const SERIAL = 1_499_347_823;

/** A whole zone of these objects. */
export function zoneOf(
  { namespaces = [], services = [], slices = [], pods }: ClusterObjects,
  options: Partial<ZoneOptions> = {},
): ClusterZone {
  const zone = new ClusterZone(options, { now: () => SERIAL * 1000 });
  const keyed = <T extends { name: string; namespace?: string }>(all: T[]) =>
    new Map(all.map((facts) => [`${facts.namespace}/${facts.name}`, facts]));
  zone.replace(
    "namespace",
    new Map(namespaces.map((name) => [name, toNamespaceFacts({ metadata: { name } })])),
  );
  zone.replace("service", keyed(services.map(toServiceFacts)));
  zone.replace(
    "endpointSlice",
    keyed(
      slices.map((each) => toEndpointSliceFacts(each, { podNames: zone.options.endpointPodNames })),
    ),
  );
  if (pods !== undefined) zone.replace("pod", keyed(pods.map(toPodFacts)));
  zone.synced = true;
  return zone;
}

/** An answer as text. */
export interface Told {
  /** `NODATA` for NOERROR without an answer; `CHASE target` and `ELSEWHERE` where the zone does not answer. */
  outcome: string;
  answers: string[];
  authorities: string[];
  additionals: string[];
}

/** Asks `name type` by packet, and reads the packet that comes back. */
export function ask(zone: ClusterZone, question: string): Told {
  const [name = "", type = "A"] = question.split(" ");
  const packet = queryPacket(parseName(name), parseType(type));
  const received = receiveQuery(packet);
  assert.ok(received.state === "query");
  const { query } = received;
  const said = zone.answer(query.name, query.type);
  if (said.state !== "answered") {
    const outcome = said.state === "chase" ? `CHASE ${said.chase.target}` : "ELSEWHERE";
    const answers = said.state === "chase" ? said.chase.chain.map(formatRecord) : [];
    return { outcome, answers, authorities: [], additionals: [] };
  }
  const got = decodeMessage(formatReply(query, said.answer, { limit: 65_535 }));
  const rcode = formatRcode(got.rcode);
  return {
    outcome: rcode === "NOERROR" && got.answers.length === 0 ? "NODATA" : rcode,
    answers: got.answers.map(formatRecord),
    authorities: got.authorities.map(formatRecord),
    additionals: got.additionals.map(formatRecord),
  };
}
