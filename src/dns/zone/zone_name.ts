/** What a name in the cluster zone asks for, by its labels alone. */
export type ZoneName =
  /** The zone itself. */
  | { kind: "apex" }
  /** `svc` and `pod`. */
  | { kind: "branch" }
  | { kind: "version" }
  | { kind: "nameServer" }
  | { kind: "namespace"; branch: "svc" | "pod"; namespace: string }
  | {
    kind: "service";
    namespace: string;
    service: string;
    /** What stands before the Service: an endpoint's label, `_port._protocol`, or "". */
    before: string;
  }
  | { kind: "pod"; namespace: string; pod: string }
  | { kind: "unknown" };

const APEX: ZoneName = { kind: "apex" };
const BRANCH: ZoneName = { kind: "branch" };
const VERSION: ZoneName = { kind: "version" };
const NAME_SERVER: ZoneName = { kind: "nameServer" };
const UNKNOWN: ZoneName = { kind: "unknown" };

/** Reads what stands before the zone, a key without its final dot; "" is the zone itself. */
export function parseZoneName(base: string): ZoneName {
  switch (base) {
    case "":
      return APEX;
    case "svc":
    case "pod":
      return BRANCH;
    case "dns-version":
      return VERSION;
    case "ns.dns":
      return NAME_SERVER;
  }
  // From the right: the branch, the namespace, the Service or pod.
  const branchDot = base.lastIndexOf(".");
  const branch = base.slice(branchDot + 1);
  if (branchDot < 0 || (branch !== "svc" && branch !== "pod")) return UNKNOWN;
  const namespaceDot = base.lastIndexOf(".", branchDot - 1);
  const namespace = base.slice(namespaceDot + 1, branchDot);
  if (namespaceDot < 0) return { kind: "namespace", branch, namespace };
  const nameDot = base.lastIndexOf(".", namespaceDot - 1);
  const name = base.slice(nameDot + 1, namespaceDot);
  const before = nameDot < 0 ? "" : base.slice(0, nameDot);
  // A third label before it has no meaning.
  const firstDot = before.indexOf(".");
  if (firstDot >= 0 && before.includes(".", firstDot + 1)) return UNKNOWN;
  if (branch === "svc") return { kind: "service", namespace, service: name, before };
  // Up to two labels before a pod's are of no account, as in CoreDNS.
  return { kind: "pod", namespace, pod: name };
}

/** What the labels before a Service pick: "" is any. */
export interface Selection {
  endpoint: string;
  port: string;
  protocol: string;
}

/** Reads `endpoint` or `_port._protocol`; the underscores may be left out, as in CoreDNS. */
export function parseSelection(before: string): Selection {
  const dot = before.indexOf(".");
  if (dot < 0) return { endpoint: before, port: "", protocol: "" };
  return {
    endpoint: "",
    port: withoutUnderscore(before.slice(0, dot)),
    protocol: withoutUnderscore(before.slice(dot + 1)),
  };
}

function withoutUnderscore(label: string): string {
  return label.startsWith("_") ? label.slice(1) : label;
}

/** The address that the label of a pod stands for; undefined for none. `1-2-3-4`, `fd00--1`. */
export function podAddressText(pod: string): string {
  const parts = pod.split("-");
  return parts.length === 4 && !parts.includes("") ? parts.join(".") : parts.join(":");
}
