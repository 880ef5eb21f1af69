import type { LinkState } from "./link_state.ts";

/** A server as far as the choice goes. */
export interface Candidate {
  state: LinkState["state"];
  roundTripMs: number | undefined;
  /** Not of the config: the last resort. */
  learned: boolean;
  /** Whether it was ever heard by this process. */
  known: boolean;
}

/** What to do: `fail over` at once; `move` to a better one if it stays better. */
export type Choice = { do: "stay" } | { do: "fail over" | "move"; to: number };

/** A server is nearer if its round trip is shorter by a share, and by so much that somebody could notice. */
const NEARER_SHARE = 0.3;
const NEARER_MS = 20;

/** Which server requests should go to. */
export function choose(servers: readonly Candidate[], current: number): Choice {
  const used = servers[current]!;
  const best = bestOf(servers);
  if (best === undefined || best === current) return { do: "stay" };
  const isOpen = used.state === "up" || (used.state === "suspect" && used.known);
  if (!isOpen) return { do: "fail over", to: best };
  return isBetter(servers[best]!, used) ? { do: "move", to: best } : { do: "stay" };
}

/** The nearest that is up, of the config before a learned one. */
function bestOf(servers: readonly Candidate[]): number | undefined {
  let best: number | undefined;
  servers.forEach((server, i) => {
    if (server.state !== "up") return;
    if (best === undefined || rank(server) < rank(servers[best]!)) best = i;
  });
  return best;
}

const rank = ({ learned, roundTripMs = 0 }: Candidate) => (learned ? 1e9 : 0) + roundTripMs;

function isBetter(candidate: Candidate, used: Candidate): boolean {
  if (candidate.learned !== used.learned) return used.learned;
  if (candidate.roundTripMs === undefined || used.roundTripMs === undefined) return false;
  const gainMs = used.roundTripMs - candidate.roundTripMs;
  return gainMs > NEARER_MS && gainMs > NEARER_SHARE * used.roundTripMs;
}
