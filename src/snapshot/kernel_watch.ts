import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Exec } from "../platform/exec.ts";

/**
 * Calls `changed` whenever the kernel tells of links, addresses or routes, until `signal` aborts. Never rejects:
 * whoever needs to know must look now and then, too.
 */
export async function watchKernel(
  { exec, clock, logger }: { exec: Exec; clock: Clock; logger: Logger },
  { changed, pauseMs }: {
    changed: () => void;
    /** Before another try, once `ip` has ended. */
    pauseMs: number;
  },
  signal: AbortSignal,
): Promise<void> {
  let told = false;
  while (!signal.aborted) {
    try {
      const events = exec.lines(["ip", "-o", "monitor", "link", "address", "route"], signal);
      for await (const _ of events) changed();
    } catch (error) {
      if (!told) logger.warn("can not follow the kernel", { error: errorMessage(error) });
      told = true;
    }
    await clock.sleep(pauseMs, signal);
    // What happened meanwhile nobody has told.
    changed();
  }
}
