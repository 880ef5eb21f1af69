/** Paces tries: resolves after `ms`, or when the link is back, or when `signal` aborts. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

/** How often it is looked whether the time that a server asked for is over. */
const LOOK_MS = 1_000;

/**
 * Pauses for `ms`, and for as long as an overloaded server asked for (`Retry-After`): the return of the
 * link ends the one, but not the other.
 */
export async function pauseAtLeast(
  retryAfterMs: number,
  ms: number,
  { pause, monotonic }: { pause: Pause; monotonic: () => number },
  signal: AbortSignal,
): Promise<void> {
  const untilMs = monotonic() + retryAfterMs;
  await pause(Math.max(retryAfterMs, ms), signal);
  while (!signal.aborted && monotonic() < untilMs) await pause(LOOK_MS, signal);
}
