/**
 * Waiting for a condition, the only kind of waiting that is done here.
 *
 * @module
 */

/** How long to wait for a condition. */
export interface PollOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Pause between two looks; default 50 ms. */
  readonly intervalMs?: number;
}

/**
 * Looks until the answer is neither `undefined` nor `false`, and returns it. What the probe throws
 * counts as "not yet" and is the `cause` of the error if time runs out; an {@linkcode Hopeless}
 * ends the wait at once.
 */
export async function until<T>(
  what: string,
  probe: (signal: AbortSignal) => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 10_000, intervalMs = 50 }: PollOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    const left = deadline - performance.now();
    if (left <= 0) {
      throw new Error(`Timed out after ${timeoutMs} ms waiting for ${what}`, { cause });
    }
    try {
      const answer = await lookOnce(probe, left);
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

/** Thrown by a probe when further waiting is of no use. */
export class Hopeless extends Error {}

/** Bounds one look as well, so that a probe that hangs cannot outlive the deadline. */
async function lookOnce<T>(
  probe: (signal: AbortSignal) => Promise<T> | T,
  leftMs: number,
): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), leftMs);
  try {
    return await probe(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
