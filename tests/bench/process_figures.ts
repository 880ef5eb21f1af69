/**
 * What a process costs, as the kernel counts it, and what machine it ran on.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";

/** Memory of a process in MB. */
export interface Memory {
  /** Resident now. */
  readonly rss: number;
  /** The most that was ever resident. */
  readonly peak: number;
}

/** Memory of a running process. */
export async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const megabytes = (key: string) => {
    const kilobytes = new RegExp(`^${key}:\\s*(\\d+) kB$`, "m").exec(status)?.[1];
    if (kilobytes === undefined) throw new Error(`No ${key} in /proc/${pid}/status`);
    return Number(kilobytes) * 1024 / 1e6;
  };
  return { rss: megabytes("VmRSS"), peak: megabytes("VmHWM") };
}

/** The middle value. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("No median of no values");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** One line about this machine: cores, model, memory, kernel. */
export function describeMachine(): string {
  const all = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const model = all[0]?.model.trim() || Deno.build.arch;
  return `${all.length} cores (${model}), ${memory} GiB, Linux ${Deno.osRelease()}`;
}
