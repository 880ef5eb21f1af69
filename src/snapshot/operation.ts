import {
  type FdbEntry,
  type Neighbour,
  OWN_PROTOCOL,
  type Route,
  type VxlanLink,
} from "./model.ts";

/** One step from a network as it is to the one that is wanted. All but `link-add` may be done twice. */
export type Operation =
  | { do: "link-delete"; link: string }
  | { do: "link-add"; link: VxlanLink }
  | { do: "link-mac"; link: string; mac: string }
  | { do: "link-mtu"; link: string; mtu: number }
  | { do: "address-delete"; link: string; address: string }
  | { do: "address-replace"; link: string; address: string }
  | { do: "link-up"; link: string }
  | { do: "neighbour-replace"; neighbour: Neighbour }
  | { do: "fdb-replace"; entry: FdbEntry }
  | { do: "route-replace"; route: Pick<Route, "subnet" | "gateway" | "link" | "onlink"> }
  | { do: "route-delete"; route: Pick<Route, "subnet" | "gateway" | "link"> }
  | { do: "neighbour-delete"; neighbour: Neighbour }
  | { do: "fdb-delete"; entry: FdbEntry };

/** Which program does it. */
export type Program = "ip" | "bridge";

/**
 * The order in which operations are done, and what goes into one batch. A link's own steps come first and
 * must all succeed. Then the tables, routes last: what has a route has its neighbour and FDB entry.
 */
const STAGES: readonly { program: Program; structural: boolean; of: Operation["do"][] }[] = [
  {
    program: "ip",
    structural: true,
    of: [
      "link-delete",
      "link-add",
      // While it is up still flushes neighbours, so before them.
      "link-mac",
      "link-mtu",
      "address-delete",
      "address-replace",
      "link-up",
    ],
  },
  { program: "ip", structural: false, of: ["neighbour-replace"] },
  { program: "bridge", structural: false, of: ["fdb-replace"] },
  { program: "ip", structural: false, of: ["route-replace"] },
  { program: "ip", structural: false, of: ["route-delete", "neighbour-delete"] },
  { program: "bridge", structural: false, of: ["fdb-delete"] },
];

/** Operations that one call of a program does. */
export interface Batch {
  program: Program;
  /** Whether a failure makes all that follows pointless. */
  structural: boolean;
  operations: Operation[];
}

/** Operations in the order in which they must be done, in as few calls as possible. */
export function batchesOf(operations: readonly Operation[]): Batch[] {
  return STAGES.map(({ program, structural, of }) => ({
    program,
    structural,
    operations: of.flatMap((kind) => operations.filter((each) => each.do === kind)),
  })).filter((batch) => batch.operations.length > 0);
}

/** The link that an operation makes or changes; undefined for one of a table. */
export function linkOf(operation: Operation): string | undefined {
  if (!("link" in operation)) return undefined;
  return typeof operation.link === "string" ? operation.link : operation.link.name;
}

/** The line of a batch file of `ip` or `bridge` that does an operation. */
export function formatOperation(operation: Operation): string {
  switch (operation.do) {
    case "link-delete":
      return `link delete dev ${operation.link}`;
    case "link-add":
      return formatLinkAdd(operation.link);
    case "link-mac":
      return `link set dev ${operation.link} address ${operation.mac}`;
    case "link-mtu":
      return `link set dev ${operation.link} mtu ${operation.mtu}`;
    case "address-delete":
      return `address delete ${operation.address} dev ${operation.link}`;
    case "address-replace":
      return `address replace ${operation.address} dev ${operation.link}${
        // Nobody else can have it: waiting for an answer would only delay its use.
        operation.address.includes(":") ? " nodad" : ""}`;
    case "link-up":
      return `link set dev ${operation.link} up`;
    case "neighbour-replace": {
      const { link, address, mac } = operation.neighbour;
      return `neigh replace ${address} lladdr ${mac} nud permanent dev ${link}`;
    }
    case "neighbour-delete": {
      const { link, address } = operation.neighbour;
      return `neigh delete ${address} dev ${link}`;
    }
    case "fdb-replace": {
      const { link, mac, endpoint } = operation.entry;
      return `fdb replace ${mac} dst ${endpoint} dev ${link} self permanent`;
    }
    case "fdb-delete": {
      const { link, mac, endpoint } = operation.entry;
      return `fdb delete ${mac} dst ${endpoint} dev ${link} self`;
    }
    case "route-replace": {
      const { subnet, gateway, link, onlink } = operation.route;
      const flag = onlink ? " onlink" : "";
      return `route replace ${subnet} via ${gateway} dev ${link}${flag} proto ${OWN_PROTOCOL}`;
    }
    case "route-delete": {
      const { subnet, gateway, link } = operation.route;
      return `route delete ${subnet} via ${gateway} dev ${link} proto ${OWN_PROTOCOL}`;
    }
    default:
      return operation satisfies never;
  }
}

/** With its MAC in the same call: udev and systemd leave an address alone that was set by the creator. */
function formatLinkAdd(link: VxlanLink): string {
  return [
    `link add name ${link.name} address ${link.mac} mtu ${link.mtu}`,
    `txqueuelen ${link.txQueueLength} type vxlan id ${link.vni} dev ${link.underlay}`,
    `local ${link.local} dstport ${link.port} ${link.learning ? "learning" : "nolearning"}`,
    ...(link.gbp ? ["gbp"] : []),
  ].join(" ");
}
