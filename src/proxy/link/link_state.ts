/**
 * Whether a cloud server can be reached. `suspect`: silent for longer than it should be, or an attempt
 * failed; a probe decides. `rejected`: it answers, but it is not who it should be (its certificate fails).
 */
export type LinkState =
  | { state: "up"; sinceMs: number }
  | { state: "suspect"; sinceMs: number; cause: string }
  | { state: "down"; sinceMs: number; cause: string }
  | { state: "rejected"; sinceMs: number; cause: string };

/** What a probe found. `late`: nothing came in time; it may still come. */
export type ProbeResult =
  | { result: "answered"; roundTripMs: number }
  | { result: "silent"; cause: string; late?: boolean }
  | { result: "rejected"; cause: string };

/** Asks the server for a sign of life on a connection of its own; gives up after `timeoutMs`. */
export type Probe = (timeoutMs: number, signal: AbortSignal) => Promise<ProbeResult>;

/** Times of the state machine, ms. */
export interface LinkTimes {
  /** Silence of an idle link before it is asked for a sign of life. */
  idleMs: number;
  /** Age of the last measured round trip at which a busy link is measured again. */
  measureMs: number;
  /** Shortest and longest wait for the first byte of an answer before the link is suspect. */
  minSilenceMs: number;
  maxSilenceMs: number;
  /** Shortest wait for the next byte of a body. */
  minBodySilenceMs: number;
  /** Shortest and longest wait for a probe. */
  minProbeMs: number;
  maxProbeMs: number;
  /** First and longest wait between probes while down. */
  minRetryMs: number;
  maxRetryMs: number;
}

/**
 * On a healthy network: down at most 0.6 + 2 x 1 s after the first unanswered request. A kubelet renews its
 * lease every 10 s: on a node with one, an idle link costs nothing.
 */
export const LINK_TIMES: LinkTimes = {
  idleMs: 12_000,
  measureMs: 60_000,
  minSilenceMs: 600,
  maxSilenceMs: 10_000,
  minBodySilenceMs: 2_500,
  minProbeMs: 1_000,
  maxProbeMs: 10_000,
  minRetryMs: 500,
  maxRetryMs: 2_500,
};

/** Of a server that stands by while another one is used: known to live at a cost of some 80 probes an hour. */
export const STANDBY_TIMES: LinkTimes = {
  ...LINK_TIMES,
  // Measured before it is idle: nobody is to suspect it for nothing.
  idleMs: 60_000,
  measureMs: 45_000,
  minRetryMs: 5_000,
  maxRetryMs: 45_000,
};
