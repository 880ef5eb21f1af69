import type { PodFacts } from "../zone/pod_facts.ts";
import type { PodOfAddress } from "./search_handler.ts";

/** The pods of this node by address. An address that several have is the host's own: nobody's. */
export class PodsOfNode {
  #byAddress = new Map<string, PodOfAddress | undefined>();

  /** These are all pods. */
  replace(pods: ReadonlyMap<string, PodFacts>): void {
    const byAddress = new Map<string, PodOfAddress | undefined>();
    for (const { namespace, addresses, usualSearch } of pods.values()) {
      for (const address of addresses) {
        const isOnly = usualSearch && !byAddress.has(address);
        byAddress.set(address, isOnly ? { namespace } : undefined);
      }
    }
    this.#byAddress = byAddress;
  }

  /** The pod that has an address for itself, and the search path that the kubelet gives by default. */
  podOf(address: string): PodOfAddress | undefined {
    return this.#byAddress.get(address);
  }
}
