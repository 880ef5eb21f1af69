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
   * @throws when it can't be read or used: the former serves on, if there is one
   */
  renew(): Promise<boolean>;
  /** Why the former serves on though nobody threw; undefined if all is well. */
  trouble?(): string | undefined;
  /** Whether there is a former one; there always is unless this says otherwise. */
  hasFormer?(): boolean;
}

/** What the looks are made with. */
export interface RotationOptions {
  clock: Clock;
  rotating: readonly Rotating[];
  renewed(name: string): void;
  /** Told once per error in a row. `former`: whether there is one, which serves on. */
  failed(name: string, error: string, former: boolean): void;
}

/** Within 10 s a new file must count, and a credential may be as old as 5 s when it is looked at. */
const LOOK_MS = 2_000;

/** Looks at files every 2 s until `signal` aborts: there are few, and no file system is without surprises. */
export async function watchRotations(options: RotationOptions, signal: AbortSignal): Promise<void> {
  const { clock, rotating, renewed, failed } = options;
  const errors = new Map<string, string>();
  while (!signal.aborted) {
    for (const each of rotating) {
      if (signal.aborted) return;
      const { name } = each;
      const trouble = await each.renew().then(
        (isAnother) => {
          if (isAnother) renewed(name);
          return each.trouble?.();
        },
        errorMessage,
      );
      if (trouble === undefined) errors.delete(name);
      else if (errors.get(name) !== trouble) {
        errors.set(name, trouble);
        failed(name, trouble, each.hasFormer?.() ?? true);
      }
    }
    await clock.sleep(LOOK_MS, signal);
  }
}
