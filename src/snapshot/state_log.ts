import type { Logger } from "@logtape/logtape";
import type { Snapshot } from "./snapshot_file.ts";

/** How the node's network is. */
export type KeeperState =
  | { state: "starting" }
  /** As it should be, and kept. */
  | { state: "kept" }
  /** Not as it should be: the former snapshot, if any, is kept. */
  | { state: "degraded"; why: string }
  | { state: "failed"; why: string };

/** Says each state once, when it is entered. */
export class StateLog {
  readonly #logger: Logger;
  #told = "";

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  tell(state: KeeperState, newest: Snapshot | undefined): void {
    const text = JSON.stringify(state);
    if (text === this.#told) return;
    this.#told = text;
    switch (state.state) {
      case "starting":
        return;
      case "kept":
        return this.#logger.info("the network is as it should be", {
          generation: newest?.generation,
          peers: newest?.network.peers.length,
          pods: newest?.network.pods.length,
        });
      case "degraded":
        return this.#logger.warn(
          "the network is not as it should be: the former snapshot is kept",
          { why: state.why },
        );
      case "failed":
        return this.#logger.error("can not look after the network", { error: state.why });
      default:
        return state satisfies never;
    }
  }
}
