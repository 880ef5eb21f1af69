import type { Fs } from "../../platform/fs.ts";
import { canonicalIps } from "./ip_ranges.ts";
import { arrayOf, objectOf, parseJson, textsOf } from "./loose_json.ts";
import { isSamePod, type PodKey, toPodKey } from "./pod_key.ts";

/** Who had which addresses when the network was saved last, as a port. */
export interface FormerPods {
  /** A pod's addresses in a network; none when nothing is known. */
  ipsOf(network: string, pod: PodKey): Promise<string[]>;
}

/** Reads the pod table of the saved network: `content.pods[]` of `{network, namespace, name, ips}`. */
export function savedPods(fs: Fs, path: string): FormerPods {
  return {
    async ipsOf(network, pod) {
      const saved = objectOf(parseJson(await fs.readText(path).catch(() => "")));
      return canonicalIps(
        arrayOf(objectOf(saved.content).pods).map(objectOf)
          .filter((row) => row.network === network)
          .filter((row) => isSamePod(pod, toPodKey(row.namespace, row.name)))
          .flatMap((row) => textsOf(row.ips)),
      );
    },
  };
}
