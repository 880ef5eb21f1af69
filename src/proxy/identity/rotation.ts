import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";

/** Something in files that others replace. */
export interface Rotating {
  /** What it is, for the log and the metric: `credential kubelet`. */
  name: string;
  /**
   * Takes up what changed.
   *
   * @returns whether anything did
   * @throws when it can't be read or used: the former serves on
   */
  renew(): Promise<boolean>;
}

/** What the looks are made with. */
export interface RotationOptions {
  clock: Clock;
  rotating: readonly Rotating[];
  renewed(name: string): void;
  /** Told once per error in a row. */
  failed(name: string, error: string): void;
}

/** Within 10 s a new file must count, and a credential may be as old as 5 s when it is looked at. */
const LOOK_MS = 2_000;

/** Looks at files every 2 s until `signal` aborts: there are few, and no file system is without surprises. */
export async function watchRotations(options: RotationOptions, signal: AbortSignal): Promise<void> {
  const { clock, rotating, renewed, failed } = options;
  const errors = new Map<string, string>();
  while (!signal.aborted) {
    for (const { name, renew } of rotating) {
      if (signal.aborted) return;
      try {
        if (await renew()) renewed(name);
        errors.delete(name);
      } catch (error) {
        const message = errorMessage(error);
        if (errors.get(name) !== message) failed(name, message);
        errors.set(name, message);
      }
    }
    await clock.sleep(LOOK_MS, signal);
  }
}
