import { formatIp, parseIp } from "../wire/ip_address.ts";
import { nameKey, parseName } from "../wire/name.ts";
import { fieldsOf, listOf, placeOf, textOf } from "./loose_object.ts";

/** A port of a Service or EndpointSlice. */
export interface PortFacts {
  /** In lower case; "" for one without a name. */
  name: string;
  /** In lower case: `tcp`. */
  protocol: string;
  /** {@linkcode NO_PORT} where none is declared: addresses are answered then, SRV records are not. */
  port: number;
}

/** What is said of addresses that have no port. */
export const NO_PORT = -1;

/** What the zone knows of a Service. */
export interface ServiceFacts {
  namespace: string;
  name: string;
  kind: "cluster" | "headless" | "external";
  /** `spec.clusterIPs`, in their one spelling. */
  clusterIps: readonly string[];
  /** At least one, which may have no number. */
  ports: readonly PortFacts[];
  /** Where an ExternalName Service leads; "" for nowhere that a name could lead. */
  externalName: string;
}

/** Reads a Service (`v1.Service`, decoded JSON). @throws {SyntaxError} when it is none */
export function toServiceFacts(service: unknown): ServiceFacts {
  const { namespace, name } = placeOf(service, "Service");
  const spec = fieldsOf(fieldsOf(service).spec);
  const ips = listOf(spec.clusterIPs).length > 0 ? listOf(spec.clusterIPs) : [spec.clusterIP];
  const external = spec.type === "ExternalName";
  return {
    namespace,
    name,
    kind: external ? "external" : ips[0] === "None" ? "headless" : "cluster",
    clusterIps: external ? [] : ips.map(textOf).flatMap((text) => addressOf(text) ?? []),
    ports: portsOf(spec.ports),
    externalName: external ? externalNameOf(textOf(spec.externalName)) : "",
  };
}

/** The ports of a Service or EndpointSlice; one without a number where there are none. */
export function portsOf(value: unknown): PortFacts[] {
  const ports = listOf(value).map(fieldsOf).map(({ name, protocol, port }) => ({
    name: textOf(name).toLowerCase(),
    protocol: textOf(protocol).toLowerCase(),
    port: typeof port === "number" && port >= 0 && port <= 0xffff ? port : NO_PORT,
  }));
  return ports.length > 0 ? ports : [{ name: "", protocol: "", port: NO_PORT }];
}

/** The one spelling of an address; undefined for what is none. */
export function addressOf(text: string): string | undefined {
  const bytes = parseIp(text);
  return bytes === undefined ? undefined : formatIp(bytes);
}

/** An address is no name to lead to. */
function externalNameOf(text: string): string {
  if (parseIp(text) !== undefined) return "";
  try {
    return nameKey(parseName(text));
  } catch (error) {
    if (error instanceof SyntaxError) return "";
    throw error;
  }
}
