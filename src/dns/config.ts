import * as z from "zod/mini";
import { ByteSize, Duration, FilePath, HostPort } from "../config/scalars.ts";
import { parseZoneOptions } from "./zone/zone_options.ts";
import { parseIp } from "./wire/ip_address.ts";
import { isWithin, nameKey, parseName } from "./wire/name.ts";

/** Below, a few long answers would push each other out. */
const MIN_CACHE_BYTES = 256 * 1024;

/** A domain name, with or without its final dot. */
const DomainName = z.string().check(z.refine(isName, "must be a domain name such as example.com"));

/** The name of a zone that can be the cluster's. */
const ZoneName = z.string().check(
  z.refine(
    (zone) => succeeds(() => parseZoneOptions({ zone })),
    "must be a name such as cluster.local",
  ),
);

/** Nobody can be asked for the address of who is asked for addresses, and replies are known by theirs. */
const IpPort = HostPort.check(
  z.refine(({ hostname }) => parseIp(hostname) !== undefined, "must begin with an IP address"),
);

/** Who can be asked: nobody answers at port 0. */
const Upstream = IpPort.check(
  z.refine(({ port }) => port >= 1, "must end in a port from 1 to 65535"),
);

/** Below, no server answers in time, however near. */
const MIN_DEADLINE_MS = 100;

/** What is kept for longer hides a change; the cache's file could count to 49 days. */
const MAX_TTL_MS = 7 * 86_400_000;

const Ttl = Duration.check(z.refine((ms) => ms <= MAX_TTL_MS, "must be at most 7d"));

/** A zone of the names of addresses. */
const ReverseZone = z.string().check(
  z.refine(
    (zone) => succeeds(() => parseZoneOptions({ reverseZones: [zone] })),
    "must be a reverse zone such as 96.10.in-addr.arpa",
  ),
);

/** The `dns` section. */
export const DnsConfig = z.strictObject({
  /** The cluster zone. */
  zone: z.prefault(ZoneName, "cluster.local"),
  /**
   * Where it listens, UDP and TCP. A link-local address is set on this host, and taken away at the end. Never the
   * ClusterIP of kube-dns, which is kube-proxy's.
   */
  listen: z.prefault(IpPort, "169.254.20.10:53"),
  /** The device that is made for that address where the kernel can; else it is set on `lo`. */
  device: z.prefault(
    z.string().check(z.regex(/^[\w.-]{1,15}$/, "must be the name of a network device")),
    "edge-dns",
  ),
  /**
   * A kubeconfig that may list Services, EndpointSlices and, if only for empty ones, Namespaces. Unless set, that
   * of the proxy's identity `coredns`, else `kube-proxy`.
   */
  kubeconfig: z.optional(FilePath),
  /** One that may list the pods of this node, where they matter. Unless set, that of the identity `kubelet`. */
  podsKubeconfig: z.optional(FilePath),
  /** `metadata.name` of this node's Node, for its pods; the host name unless set. */
  nodeName: z.optional(z.string().check(z.minLength(1))),
  /** TTL of the zone's answers. */
  ttl: z.prefault(
    Duration.check(
      z.refine((ms) => ms % 1_000 === 0 && ms <= 3_600_000, "must be 0s to 1h, in whole seconds"),
    ),
    "5s",
  ),
  /** Names such as `10-1-2-3.ns.pod.cluster.local`: unknown, as they say, or only for pods of this node. */
  pods: z.prefault(z.enum(["disabled", "insecure", "verified"]), "insecure"),
  /** Endpoints without a hostname are named after their pods and not after their addresses. */
  endpointPodNames: z.prefault(z.boolean(), false),
  /** Reverse zones that are the cluster's alone: what is not found there does not exist. */
  reverseZones: z.prefault(z.array(ReverseZone), []),
  /** Who is asked what is not the cluster's. */
  forward: z.prefault(
    z.strictObject({
      /** Name servers, in the order in which they are asked. Unless set, those of `resolvConf`. */
      upstreams: z.prefault(z.array(Upstream), []),
      /** The kubelet's `resolvConf`; where it names the host's own stub, the stub's servers are taken. */
      resolvConf: z.prefault(FilePath, "/etc/resolv.conf"),
      /** Zones with name servers of their own. */
      stubDomains: z.prefault(
        z.array(z.strictObject({
          zone: DomainName,
          upstreams: z.array(Upstream).check(z.minLength(1)),
        })),
        [],
      ),
      /** Questions under way at a time. */
      maxConcurrent: z.prefault(z.int().check(z.minimum(1)), 1_000),
      /** The longest that a question takes. */
      deadline: z.prefault(
        Duration.check(z.refine((ms) => ms >= MIN_DEADLINE_MS, "must be at least 100ms")),
        "5s",
      ),
    }),
    {},
  ),
  /** What was answered before. */
  cache: z.prefault(
    z.strictObject({
      maxBytes: z.prefault(
        ByteSize.check(z.refine((bytes) => bytes >= MIN_CACHE_BYTES, "must be at least 256Ki")),
        "8Mi",
      ),
      /** How long an answer may be served beyond its time while nobody can be asked, also after a reboot; `0s`: not at all. */
      maxStale: z.prefault(Duration, "3d"),
      /** Longest time that an answer is kept for, and one that says that there is nothing. */
      maxTtl: z.prefault(Ttl, "1h"),
      maxNegativeTtl: z.prefault(Ttl, "30m"),
    }),
    {},
  ),
  /**
   * Completes the search path of this node's pods, so that `ndots:5` costs one round trip (as CoreDNS's autopath).
   */
  search: z.prefault(z.boolean(), false),
  /** Logs every question with its answer. */
  queryLog: z.prefault(z.boolean(), false),
}).check(z.superRefine(checkStubDomains));
export type DnsConfig = z.output<typeof DnsConfig>;

/** A stub domain that nobody would ever be asked for is a mistake. */
function checkStubDomains(
  { zone, reverseZones, forward: { stubDomains } }: {
    zone: string;
    reverseZones: readonly string[];
    forward: { stubDomains: readonly { zone: string }[] };
  },
  issues: {
    addIssue(issue: { code: "custom"; path: (string | number)[]; message: string }): void;
  },
): void {
  // What is no name is told by itself.
  const own = [zone, ...reverseZones].filter(isName).map((text) => ({ text, key: keyOf(text) }))
    .filter(({ key }) => key !== "");
  const seen = new Set<string>();
  for (const [i, stub] of stubDomains.entries()) {
    if (!isName(stub.zone)) continue;
    const key = keyOf(stub.zone);
    const parent = own.find((each) => isWithin(key, each.key));
    const message = key === ""
      ? `must not be the root: put the servers for all other names into "dns.forward.upstreams"`
      : parent !== undefined
      ? `must not be in "${parent.text}", which is answered from the cluster: remove it`
      : seen.has(key)
      ? "must not be there twice: put all servers of a zone into one item"
      : undefined;
    seen.add(key);
    if (message === undefined) continue;
    const path = ["forward", "stubDomains", i, "zone"];
    issues.addIssue({ code: "custom", path, message });
  }
}

function keyOf(name: string): string {
  return nameKey(parseName(name));
}

function isName(text: string): boolean {
  return succeeds(() => keyOf(text));
}

function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
