/**
 * What a process costs, as the kernel counts it, and what machine it ran on.
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";
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

/** What a running process has used since its start. */
export interface Use {
  cpuMs: number;
  /** Times that a thread of it was woken up to do something. */
  wakeups: number;
  /** Bytes that it caused to be written to disk, as the kernel's pages count them. */
  writtenBytes: number;
}

/** Use of a running process with all its threads. */
export async function useOf(pid: number): Promise<Use> {
  const [stat, io] = await Promise.all(
    ["stat", "io"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")),
  );
  // utime and stime, in hundredths of a second: behind the name, which may hold spaces.
  const fields = stat!.slice(stat!.lastIndexOf(")") + 2).split(" ");
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * 10;
  let wakeups = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, "utf8");
    wakeups += Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1]);
  }
  return { cpuMs, wakeups, writtenBytes: Number(/^write_bytes: (\d+)$/m.exec(io!)?.[1]) };
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
