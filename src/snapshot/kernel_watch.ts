import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Exec } from "../platform/exec.ts";

const MONITOR = ["ip", "-o", "monitor", "link", "address", "route", "neigh"];

/**
 * Neighbours of other devices than flannel's: every machine that speaks in the LAN is one, time after time. Among
 * flannel's own are the entries of its FDB. A peer that is made anew changes those two alone.
 */
const FOREIGN_NEIGHBOUR =
  /(^| )dev (?!flannel)\S+ .*\b(NONE|INCOMPLETE|REACHABLE|STALE|DELAY|PROBE|FAILED|NOARP|PERMANENT)\s*$/;

/**
 * Calls `changed` whenever the kernel tells of links, addresses, routes or ways over flannel's devices, until
 * `signal` aborts. Never rejects: whoever needs to know must look now and then, too.
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
      for await (const event of exec.lines(MONITOR, signal)) {
        if (!FOREIGN_NEIGHBOUR.test(event)) changed();
      }
    } catch (error) {
      if (!told) logger.warn("can not follow the kernel", { error: errorMessage(error) });
      told = true;
    }
    await clock.sleep(pauseMs, signal);
    // What happened meanwhile nobody has told.
    changed();
  }
}
