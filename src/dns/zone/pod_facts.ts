import { fieldsOf, listOf, placeOf, textOf } from "./loose_object.ts";
import { addressOf } from "./service_facts.ts";

/** What the zone knows of a pod. */
export interface PodFacts {
  namespace: string;
  name: string;
  /** None for a pod that has come to its end: its addresses are free for others. */
  addresses: readonly string[];
  /** Whether it has a network of its own and the search path that the kubelet gives by default. */
  usualSearch: boolean;
}

/** Reads a Pod (`v1.Pod`, decoded JSON). @throws {SyntaxError} when it is none */
export function toPodFacts(pod: unknown): PodFacts {
  const status = fieldsOf(fieldsOf(pod).status);
  const over = status.phase === "Succeeded" || status.phase === "Failed";
  const ips = listOf(status.podIPs).map((each) => fieldsOf(each).ip);
  const texts = (ips.length > 0 ? ips : [status.podIP]).map(textOf);
  const { hostNetwork, dnsPolicy = "ClusterFirst", dnsConfig } = fieldsOf(fieldsOf(pod).spec);
  return {
    usualSearch: hostNetwork !== true && dnsPolicy === "ClusterFirst" &&
      listOf(fieldsOf(dnsConfig).searches).length === 0,
    ...placeOf(pod, "Pod"),
    addresses: over ? [] : texts.flatMap((text) => addressOf(text) ?? []),
  };
}
