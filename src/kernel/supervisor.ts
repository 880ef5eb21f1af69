import type { Clock } from "./clock.ts";
import type { Module } from "./module.ts";

/** How {@linkcode supervise} ended. */
export type Outcome = { state: "stopped" } | { state: "forced"; stuck: string[] };

/** Told of each step, for the log. */
export interface SupervisorEvents {
  started?(module: Module): void;
  stopped?(module: Module): void;
}

/**
 * Starts the modules in order, waits until `signal` aborts, then disposes them in reverse order. A module
 * that fails to start stops those before it and its error is thrown. Disposal is given `graceMs` in all;
 * what is still busy then is named in the outcome.
 */
export async function supervise(
  modules: readonly Module[],
  signal: AbortSignal,
  options: { clock: Clock; graceMs: number; events?: SupervisorEvents },
): Promise<Outcome> {
  const { clock, graceMs, events = {} } = options;
  const controller = new AbortController();
  const running: Module[] = [];
  const abort = () => controller.abort();
  // At once: a module that is still starting must hear it too.
  signal.addEventListener("abort", abort, { once: true });
  const stop = async (): Promise<Outcome> => {
    signal.removeEventListener("abort", abort);
    abort();
    const stuck = new Set(running.map((module) => module.name));
    const all = Promise.allSettled(
      running.toReversed().map(async (module) => {
        await module[Symbol.asyncDispose]();
        stuck.delete(module.name);
        events.stopped?.(module);
      }),
    );
    const grace = new AbortController();
    await Promise.race([all, clock.sleep(graceMs, grace.signal)]);
    grace.abort();
    return stuck.size === 0 ? { state: "stopped" } : { state: "forced", stuck: [...stuck] };
  };
  try {
    for (const module of modules) {
      if (signal.aborted) break;
      running.push(module);
      await module.start(controller.signal);
      events.started?.(module);
    }
  } catch (error) {
    const outcome = await stop();
    // A start that was cut short is how a stop looks in the middle of it.
    if (signal.aborted) return outcome;
    throw error;
  }
  await aborted(signal);
  return await stop();
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
