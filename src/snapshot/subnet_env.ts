import { containsNetwork, type Network, parseCidr } from "../config/cidr.ts";

/** What flanneld tells the CNI plugin about this node. */
export interface SubnetEnv {
  /** All pods of the cluster, of either family. */
  networks: Network[];
  /** This node's pods. */
  subnets: Network[];
}

/**
 * Reads `/run/flannel/subnet.env` (flannel `pkg/subnet`, `WriteSubnetFile`).
 *
 * @throws {SyntaxError} when what the CNI plugin needs is not in it
 */
export function parseSubnetEnv(text: string): SubnetEnv {
  const values = new Map(
    text.split("\n").filter((line) => line.includes("=")).map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
  const read = (keys: string[]) =>
    keys.flatMap((key) => {
      // Each family may have several networks, and its address is that of the node's bridge.
      const value = values.get(key) ?? "";
      return value.split(",").filter((each) => each !== "").map((each) => {
        try {
          return parseCidr(each, { hostBits: "ignored" });
        } catch (error) {
          throw new SyntaxError(`${key} ${(error as Error).message} (it is "${each}")`);
        }
      });
    });
  const networks = read(["FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"]);
  const subnets = read(["FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"]);
  const missing = [
    ...(networks.length === 0 ? ["FLANNEL_NETWORK"] : []),
    ...(subnets.length === 0 ? ["FLANNEL_SUBNET"] : []),
    ...["FLANNEL_MTU", "FLANNEL_IPMASQ"].filter((key) => !values.get(key)),
  ];
  if (missing.length > 0) throw new SyntaxError(`subnet.env lacks ${missing.join(", ")}`);
  return { networks, subnets };
}

/** Whether every subnet of the file is this node's by what the cluster said last; true where it never did. */
export function isOfNode({ subnets }: SubnetEnv, podCidrs: readonly string[]): boolean {
  if (podCidrs.length === 0) return true;
  const known = podCidrs.map((text) => parseCidr(text));
  return subnets.every((subnet) => known.some((network) => containsNetwork(network, subnet)));
}
