/**
 * Whether the cloud can be reached. `suspect`: silent for longer than it should be, or an attempt failed;
 * a probe decides. `rejected`: it answers, but it is not who it should be (its certificate fails).
 */
export type LinkState =
  | { state: "up"; sinceMs: number }
  | { state: "suspect"; sinceMs: number; cause: string }
  | { state: "down"; sinceMs: number; cause: string }
  | { state: "rejected"; sinceMs: number; cause: string };

/** What a probe found. */
export type ProbeResult =
  | { result: "answered"; roundTripMs: number }
  | { result: "silent"; cause: string }
  | { result: "rejected"; cause: string };

/** Asks the server for a sign of life on a connection of its own; gives up after `timeoutMs`. */
export type Probe = (timeoutMs: number, signal: AbortSignal) => Promise<ProbeResult>;

/** Times of the state machine, ms. */
export interface LinkTimes {
  /** Silence of an idle link before it is asked for a sign of life. */
  idleMs: number;
  /** Shortest and longest wait for the first byte of an answer before the link is suspect. */
  minSilenceMs: number;
  maxSilenceMs: number;
  /** Shortest and longest wait for a probe. */
  minProbeMs: number;
  maxProbeMs: number;
  /** First and longest wait between probes while down. */
  minRetryMs: number;
  maxRetryMs: number;
}

/** On a healthy network: down at most 0.6 + 2 x 1 s after the first unanswered request. */
export const LINK_TIMES: LinkTimes = {
  idleMs: 10_000,
  minSilenceMs: 600,
  maxSilenceMs: 10_000,
  minProbeMs: 1_000,
  maxProbeMs: 10_000,
  minRetryMs: 500,
  maxRetryMs: 2_500,
};
