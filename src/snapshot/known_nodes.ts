import type { Logger } from "@logtape/logtape";
import type { NodeKnowledge } from "./next_network.ts";

/** What the cluster's Nodes say, as far as it may be relied on for this node. */
export class KnownNodes {
  readonly #nodes: () => NodeKnowledge;
  readonly #own: string;
  readonly #logger: Logger;
  #isMissing = false;

  /** @param own name of this Node */
  constructor(nodes: () => NodeKnowledge, own: string, logger: Logger) {
    this.#nodes = nodes;
    this.#own = own;
    this.#logger = logger;
  }

  /** A list without this node is of another cluster, or not whole: it is stale at best, and that is said once. */
  read(): NodeKnowledge {
    const known = this.#nodes();
    if (known.state !== "fresh") return known;
    const wasMissing = this.#isMissing;
    this.#isMissing = !known.nodes.some(({ name }) => name === this.#own);
    if (!this.#isMissing) return known;
    if (!wasMissing) {
      this.#logger.warn("the cluster has no such Node: set snapshot.nodeName", { node: this.#own });
    }
    return { ...known, state: "stale" };
  }
}
