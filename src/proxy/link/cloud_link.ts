import type { Clock } from "../../kernel/clock.ts";
import type { LinkState } from "./link_state.ts";

/** The link to the cloud as a whole, whichever of its servers is used: what the lanes and scopes ask. */
export interface CloudLink {
  readonly state: LinkState;
  /** Whether requests should be sent at all. */
  readonly isOpen: boolean;
  /** Wall clock of the last sign of life, ms since the Unix epoch; undefined before the first. */
  readonly aliveAtMs: number | undefined;
  /** Smoothed round-trip time in ms; undefined before the first probe. */
  readonly roundTripMs: number | undefined;
  /** Calls back on every change of state until the returned function is called. */
  subscribe(listener: (state: LinkState) => void): () => void;
  /** Resolves once the link is known to be up or not (at most two probes), or when `signal` aborts. */
  decided(signal: AbortSignal): Promise<void>;
  /** Paces tries: resolves after `ms`, but not before the link is open; at once when it comes back. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

type Observed = Pick<CloudLink, "state" | "subscribe">;

/** Resolves when the state is as wanted, or when `signal` aborts. */
export function untilState(
  link: Observed,
  holds: (state: LinkState) => boolean,
  signal: AbortSignal,
): Promise<void> {
  if (holds(link.state) || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      unsubscribe();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const unsubscribe = link.subscribe((state) => holds(state) && finish());
    signal.addEventListener("abort", finish, { once: true });
  });
}

/** Sleeps, but not past a change of state that matters. */
export async function sleepUnless(
  matters: (state: LinkState) => boolean,
  { ms, clock, link, signal }: { ms: number; clock: Clock; link: Observed; signal: AbortSignal },
): Promise<void> {
  if (signal.aborted) return;
  const woken = new AbortController();
  const wake = () => woken.abort();
  const unsubscribe = link.subscribe((state) => matters(state) && wake());
  signal.addEventListener("abort", wake, { once: true });
  await clock.sleep(ms, woken.signal);
  signal.removeEventListener("abort", wake);
  unsubscribe();
}

/** {@linkcode CloudLink.pause} of any link. */
export async function pauseOn(
  link: Observed & Pick<CloudLink, "isOpen">,
  { ms, clock, signal }: { ms: number; clock: Clock; signal: AbortSignal },
): Promise<void> {
  if (link.isOpen) {
    await sleepUnless(({ state }) => state !== "suspect", { ms, clock, link, signal });
  }
  await untilState(link, () => link.isOpen, signal);
}
