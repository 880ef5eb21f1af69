import { MAX_LABEL_BYTES, MAX_NAME_BYTES, nameKey, nameSize, parseName } from "../wire/name.ts";
import { isReverse } from "./reverse_name.ts";
import { addressOf } from "./service_facts.ts";

/** How the cluster zone answers; the defaults are CoreDNS's. */
export interface ZoneOptions {
  /** Its name: `cluster.local`. */
  zone: string;
  /** TTL of everything that may change, and of negative answers. */
  ttlSeconds: number;
  /**
   * Names such as `10-1-2-3.ns.pod.cluster.local`: not there, as the name says where the namespace
   * exists, or only for pods that are known.
   */
  pods: "disabled" | "insecure" | "verified";
  /** Endpoints without a hostname are named after their pods and not after their addresses. */
  endpointPodNames: boolean;
  /** A Service with a ClusterIP but without a ready endpoint does not exist. */
  ignoreEmptyService: boolean;
  /**
   * Reverse zones that are the cluster's alone (`43.10.in-addr.arpa`): what is not found there does not
   * exist. In others, what is not found is somebody else's.
   */
  reverseZones: readonly string[];
  /** Addresses that this server answers on: the zone's name server. Any address (`0.0.0.0`) and names are none. */
  nameServers: readonly string[];
}

export const ZONE_DEFAULTS: ZoneOptions = {
  zone: "cluster.local",
  ttlSeconds: 5,
  pods: "disabled",
  endpointPodNames: false,
  ignoreEmptyService: false,
  reverseZones: [],
  nameServers: [],
};

/** An endpoint, a Service, a namespace and `svc` come before the zone. */
const MAX_BEFORE_ZONE = 3 * (MAX_LABEL_BYTES + 1) + "svc".length + 1;

/** The options with names as keys. @throws {SyntaxError} for a zone that can't be one */
export function parseZoneOptions(options: Partial<ZoneOptions>): ZoneOptions {
  const { ...all } = { ...ZONE_DEFAULTS, ...options };
  const zone = nameKey(parseName(all.zone));
  if (zone === "" || nameSize(zone) + MAX_BEFORE_ZONE > MAX_NAME_BYTES) {
    const most = MAX_NAME_BYTES - MAX_BEFORE_ZONE;
    throw new SyntaxError(`Cannot serve the zone "${all.zone}": it must have 1 to ${most} bytes`);
  }
  const reverseZones = all.reverseZones.map((text) => {
    const key = nameKey(parseName(text));
    if (!isReverse(`.${key}`)) {
      throw new SyntaxError(`Cannot serve "${text}": it is no reverse zone`);
    }
    return key;
  });
  // The longest first: it is the one that a name belongs to.
  reverseZones.sort((a, b) => b.length - a.length);
  const nameServers = all.nameServers.flatMap((text) => addressOf(text) ?? [])
    .filter((address) => address !== "0.0.0.0" && address !== "::");
  return { ...all, zone, reverseZones, nameServers };
}
