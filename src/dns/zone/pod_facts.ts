import { fieldsOf, listOf, placeOf, textOf } from "./loose_object.ts";
import { addressOf } from "./service_facts.ts";

/** What the zone knows of a pod. */
export interface PodFacts {
  namespace: string;
  name: string;
  /** None for a pod that has come to its end: its addresses are free for others. */
  addresses: readonly string[];
}

/** Reads a Pod (`v1.Pod`, decoded JSON). @throws {SyntaxError} when it is none */
export function toPodFacts(pod: unknown): PodFacts {
  const status = fieldsOf(fieldsOf(pod).status);
  const over = status.phase === "Succeeded" || status.phase === "Failed";
  const ips = listOf(status.podIPs).map((each) => fieldsOf(each).ip);
  const texts = (ips.length > 0 ? ips : [status.podIP]).map(textOf);
  return {
    ...placeOf(pod, "Pod"),
    addresses: over ? [] : texts.flatMap((text) => addressOf(text) ?? []),
  };
}
