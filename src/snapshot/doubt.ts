import { familyOf } from "./link_family.ts";
import {
  isFlannelLink,
  type KernelState,
  type Network,
  type ObservedLink,
  OWN_PROTOCOL,
} from "./model.ts";
import type { NodeFacts } from "./node_facts.ts";
import { parseSubnetEnv } from "./subnet_env.ts";

/** What the cluster says of this node itself. */
export interface OwnFacts {
  facts: NodeFacts;
  /** Whether it says so now. */
  isFresh: boolean;
}

/** Why the devices are not as they should be, beside those kept last; undefined when they are. */
export function doubtLinks(
  former: Network | undefined,
  seen: Network,
  { links, routes }: KernelState,
  self: OwnFacts | undefined,
): string | undefined {
  // flanneld sets peers only after it has announced itself. Of older ones the routes alone are left: a new MAC
  // flushes neighbours.
  const flannelds = new Set(
    routes.flatMap((each) => each.protocol === OWN_PROTOCOL ? [] : [each.subnet]),
  );
  const isUsed = (name: string) =>
    seen.peers.some(({ link, subnet }) => link === name && flannelds.has(subnet));
  for (const { name, mac } of former?.links ?? []) {
    const now = links.find((each) => each.name === name);
    if (now === undefined) {
      const backend = self?.facts.backendType ?? "";
      if (backend !== "" && backend !== "vxlan" || isGivenUp(name, seen, self)) continue;
      // Another VNI has another name.
      const heirs = links.filter((each) =>
        isFlannelLink(each.name) && familyOf(each.name) === familyOf(name)
      );
      if (heirs.some((each) => self ? isAnnounced(each, self.facts) : isUsed(each.name))) continue;
      return `${name} is gone`;
    }
    if (now.mac === mac || isGivenUp(name, seen, self)) continue;
    // The other nodes know the MAC that is announced, whatever the device has.
    const announced = self && announcedFor(name, self.facts).mac;
    if (announced === now.mac) continue;
    if (announced !== undefined) {
      return `${name} has the MAC ${now.mac}, and the cluster knows ${announced || "none"}`;
    }
    if (!isUsed(name)) {
      return `${name} has the MAC ${now.mac} instead of ${mac}, and flanneld has not used it yet`;
    }
  }
  return undefined;
}

/**
 * Whether flanneld has no device of that family any more. It says so in `subnet.env`, which it writes once it has
 * announced itself; in its Node's annotations the other family stays as it was, until somebody takes that away.
 */
export function isGivenUp(
  link: string,
  { subnetEnv }: Pick<Network, "subnetEnv">,
  self: OwnFacts | undefined,
): boolean {
  const family = familyOf(link);
  if (family === 6 && self?.isFresh && self.facts.vtepMac !== "" && self.facts.vtepMacV6 === "") {
    return true;
  }
  try {
    return subnetEnv !== undefined &&
      !parseSubnetEnv(subnetEnv).networks.some((network) => network.family === family);
  } catch {
    return false;
  }
}

function announcedFor(link: string, facts: NodeFacts): { mac: string; vni?: number } {
  return familyOf(link) === 6
    ? { mac: facts.vtepMacV6, vni: facts.vniV6 }
    : { mac: facts.vtepMac, vni: facts.vni };
}

/** flanneld gives a device of another VNI the MAC of the one before: both tell whether it has been announced. */
function isAnnounced({ name, mac, vni }: ObservedLink, facts: NodeFacts): boolean {
  const announced = announcedFor(name, facts);
  return announced.mac === mac && (announced.vni ?? vni) === vni;
}
