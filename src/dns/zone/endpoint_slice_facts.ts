import { fieldsOf, labelOf, listOf, placeOf, textOf } from "./loose_object.ts";
import { addressOf, type PortFacts, portsOf } from "./service_facts.ts";

/** A ready address behind a Service. */
export interface EndpointFacts {
  address: string;
  /** A label; "" for none. */
  hostname: string;
  /** Name of its pod, where that is asked for and can be a label; else "". */
  pod: string;
}

/** What the zone knows of an EndpointSlice. */
export interface EndpointSliceFacts {
  namespace: string;
  name: string;
  /** Name of the Service; "" for a slice that belongs to none. */
  service: string;
  /** At least one, which may have no number. */
  ports: readonly PortFacts[];
  /** The ready ones only. */
  endpoints: readonly EndpointFacts[];
  /** How many there are beside. */
  notReady: number;
}

/**
 * Reads an EndpointSlice (`discovery.k8s.io/v1`, decoded JSON). The names of pods are a seventh of a zone's memory
 * and for `endpointPodNames` alone.
 *
 * @throws {SyntaxError} when it is none
 */
export function toEndpointSliceFacts(
  slice: unknown,
  { podNames }: { podNames: boolean },
): EndpointSliceFacts {
  const { namespace, name } = placeOf(slice, "EndpointSlice");
  const { metadata, ports, endpoints } = fieldsOf(slice);
  const labels = fieldsOf(fieldsOf(metadata).labels);
  const all = listOf(endpoints).map(fieldsOf);
  const ready = all.filter((endpoint) => isReady(endpoint.conditions));
  return {
    namespace,
    name,
    service: labelOf(labels["kubernetes.io/service-name"]),
    ports: portsOf(ports),
    endpoints: ready.flatMap(({ addresses, hostname, targetRef }) =>
      listOf(addresses).map(textOf).flatMap((text) => {
        const address = addressOf(text);
        if (address === undefined) return [];
        return [{ address, hostname: labelOf(hostname), pod: podNames ? podOf(targetRef) : "" }];
      })
    ),
    notReady: all.length - ready.length,
  };
}

/**
 * Unknown counts as ready (the API's own words). `publishNotReadyAddresses` is in it already: the
 * controller says ready then. `serving` and `terminating` are for proxies.
 */
function isReady(conditions: unknown): boolean {
  return fieldsOf(conditions).ready !== false;
}

function podOf(targetRef: unknown): string {
  const { kind, name } = fieldsOf(targetRef);
  return kind === "Pod" || kind === undefined ? labelOf(name) : "";
}

/**
 * The first label of an endpoint's own name: its hostname, else (if wanted) its pod's name, else its
 * address with dashes.
 */
export function endpointLabel(
  { address, hostname, pod }: EndpointFacts,
  podNames: boolean,
): string {
  if (hostname !== "") return hostname;
  if (podNames && pod !== "") return pod;
  const dashed = address.replaceAll(/[.:]/g, "-");
  // A label can't end in a dash (RFC 1123 2.1).
  return dashed.endsWith("-") ? `${dashed}0` : dashed;
}
