/**
 * Whether the cloud can be reached, as whoever knows it says. `unknown`: nobody does, as there is no proxy or it
 * was not asked yet.
 */
export type LinkState = "up" | "down" | "unknown";

/** The link to the cloud, as a port. */
export interface LinkPort {
  readonly state: LinkState;
  /** Calls `listener` after the state changed; the result ends it. */
  subscribe(listener: () => void): () => void;
  /** Finds out until `signal` aborts, where nobody tells by himself. Never rejects. */
  run?(signal: AbortSignal): Promise<void>;
}

/** Of a node where nobody knows. */
export const UNKNOWN_LINK: LinkPort = { state: "unknown", subscribe: () => () => {} };
