import { contains, isUsable, type RangeSet } from "./ip_ranges.ts";
import { parseIp } from "./ip_address.ts";
import type { IpamNetwork } from "./ipam_network.ts";
import type { Owner } from "./ip_store.ts";
import { isSamePod, type PodKey } from "./pod_key.ts";
import type { PluginRequest } from "./plugin_request.ts";

/** What is to be done about an address that a pod had before. */
export type Verdict =
  /** Nobody has it. */
  | "free"
  /** Only the pod itself can want what is in the store: it is taken out. */
  | "take"
  /** Somebody else has it. */
  | "foreign"
  /** This very container has it: the runtime asks twice, and host-local has the answer to that. */
  | "own";

/** Judges an address by its owner. `isFormer` says whether a container is this pod's, and gone. */
export async function judge(
  owner: Owner | undefined,
  pod: PodKey,
  { containerID, ifName }: Pick<PluginRequest, "containerID" | "ifName">,
  isFormer: (containerID: string, ifName: string) => Promise<boolean>,
): Promise<Verdict> {
  switch (owner?.kind) {
    case undefined:
      return "free";
    case "broken":
      return "take";
    case "unknown":
      return "foreign";
    case "hold":
      return isSamePod(pod, owner.pod) ? "take" : "foreign";
    case "container":
      if (owner.containerID === containerID && owner.ifName === ifName) return "own";
      return await isFormer(owner.containerID, owner.ifName) ? "take" : "foreign";
  }
}

/** The addresses that are of use in a range set, in the given order. */
export function usableIn(set: RangeSet, ips: readonly string[]): string[] {
  return ips.filter((text) => {
    const ip = parseIp(text);
    return ip !== undefined && isUsable(set, ip);
  });
}

/** How many of the given addresses are of a range set. */
export function countIn(set: RangeSet, ips: readonly string[]): number {
  return ips.filter((text) => {
    const ip = parseIp(text);
    return ip !== undefined && contains(set, ip);
  }).length;
}

/**
 * What the node knows of a pod's former addresses, best first: its record; without one, what is held for
 * it, libcni's cache (pods older than this agent), the saved network.
 */
export async function formerIps(
  network: IpamNetwork,
  { pod, ifName }: { pod: PodKey; ifName: string },
  saved: (network: string, pod: PodKey) => Promise<string[]>,
): Promise<string[]> {
  const record = await network.records.get(pod, ifName);
  if (record !== undefined) return [...record.ips];
  const cached = (await network.results.all())
    .filter((result) => isSamePod(pod, result.pod) && result.ifName === ifName);
  return [...cached.flatMap(({ ips }) => ips), ...await saved(network.name, pod)];
}
