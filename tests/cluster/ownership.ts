/**
 * Records of who owns which namespace, so that what a killed run left behind can be told from what a
 * run beside us is using.
 *
 * @module
 */

import { link, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The namespaces, addresses and files of one cluster, and the process they live for. */
export interface Ownership {
  /** Also the third byte of the cluster's addresses. */
  readonly subnet: number;
  readonly namespace: string;
  /** Devices in the root namespace. */
  readonly devices: readonly string[];
  /** Temporary folder. */
  readonly folder: string;
  readonly owner: { readonly pid: number; readonly started: string };
}

const RECORDS = "/run/edge-agent-tests";

/** Records a claim; false when somebody holds this subnet already. */
export async function claim(claimed: Omit<Ownership, "owner">): Promise<boolean> {
  const owner = { pid: Deno.pid, started: await startTime(Deno.pid) ?? "" };
  await mkdir(RECORDS, { recursive: true });
  const draft = join(RECORDS, `.${claimed.namespace}`);
  await writeFile(draft, JSON.stringify({ ...claimed, owner }));
  try {
    // A link appears with its content or fails if the name is taken: a lock and a record at once.
    await link(draft, recordOf(claimed.subnet));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Gives a subnet back. */
export async function release(subnet: number): Promise<void> {
  await rm(recordOf(subnet), { force: true });
}

/** The claims of this process. */
export async function listOwned(): Promise<Ownership[]> {
  return (await readAll()).filter(({ owner }) => owner.pid === Deno.pid);
}

/** The claims of processes that are gone. */
export async function listAbandoned(): Promise<Ownership[]> {
  const abandoned: Ownership[] = [];
  for (const record of await readAll()) {
    if (await startTime(record.owner.pid) !== record.owner.started) abandoned.push(record);
  }
  return abandoned;
}

async function readAll(): Promise<Ownership[]> {
  const names = await readdir(RECORDS).catch(() => []);
  const records: Ownership[] = [];
  for (const name of names.filter((name) => name.endsWith(".json")).sort()) {
    // A record may go while we look.
    const text = await readFile(join(RECORDS, name), "utf8").catch(() => undefined);
    if (text !== undefined) records.push(JSON.parse(text));
  }
  return records;
}

function recordOf(subnet: number): string {
  return join(RECORDS, `${subnet}.json`);
}

/** In clock ticks since boot: tells a process from a later one with the same pid. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // Field 22; the second field is the program's name in parentheses and may hold anything.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}
