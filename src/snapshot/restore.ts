import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Exec } from "../platform/exec.ts";
import type { Fs } from "../platform/fs.ts";
import { converge, type Refusal } from "./apply.ts";
import { NETWORK_PATHS, type NetworkPaths } from "./collect.ts";
import { readInterfaces, readKernelState } from "./kernel_state.ts";
import type { KernelState, Network } from "./model.ts";
import { batchesOf, formatOperation } from "./operation.ts";
import { plan } from "./plan.ts";
import { planSettings, restoreChecksums, restoreSettings } from "./settings.ts";
import { isOfNode, parseSubnetEnv } from "./subnet_env.ts";
import { fitNetwork, type Fitting, type Patience, type UnderlayChange } from "./underlay.ts";

/** What a restore works with. */
export interface RestorePorts {
  exec: Exec;
  fs: Fs;
  clock: Clock;
  paths?: NetworkPaths;
}

/** What came of `subnet.env`. */
export type SubnetEnvOutcome =
  | { state: "written" }
  /** One is there: flanneld's own, or that of an earlier restore. */
  | { state: "present" }
  | { state: "left"; why: string };

/** What a restore did. */
export interface RestoreReport {
  operations: number;
  refused: Refusal[];
  changes: UnderlayChange[];
  /** What can't be restored yet, and why. */
  waiting: string[];
  subnetEnv: SubnetEnvOutcome;
  /** Settings that were made and modules that were loaded, as commands. */
  settings: string[];
  /** Those that could not be. */
  complaints: string[];
  tookMs: number;
}

/** Whether a restore changed anything. */
export function hasChanged({ operations, subnetEnv, settings }: RestoreReport): boolean {
  return operations > 0 || subnetEnv.state === "written" || settings.length > 0;
}

/** How often it is looked whether the underlay is there, ms. */
const LOOK_MS = 100;

/**
 * Puts a network back: `subnet.env`, kernel settings, devices, neighbours, FDB, routes. What is there already
 * is left alone, so that it may be done again at any time.
 *
 * @param waitMs how long to wait for the interfaces that it stands on; then they are taken as they are, and
 * what has none is left out (`waiting`)
 * @throws {ProgramError} when the host's tools can't do it, or a device can't be made: it is as it was then
 * @throws the reason of `signal` when that aborts while interfaces are waited for
 */
export async function restoreNetwork(
  network: Network,
  { exec, fs, clock, paths = NETWORK_PATHS }: RestorePorts,
  { waitMs, signal }: { waitMs: number; signal?: AbortSignal },
): Promise<RestoreReport> {
  const startedMs = clock.monotonic();
  // None of it needs the underlay, and the first pod can begin with it.
  const subnetEnv = await restoreSubnetEnv(network, fs, paths);
  const settings = await restoreSettings(exec, network);
  const { kernel, fitting } = await awaitUnderlay(
    network,
    { exec, clock },
    startedMs + waitMs,
    signal,
  );
  const { done, refused } = await converge(exec, fitting.desired, kernel);
  const checksums = await restoreChecksums(exec, fitting.desired.links);
  return {
    operations: done,
    refused,
    changes: fitting.changes,
    waiting: fitting.waiting,
    subnetEnv,
    settings: [...settings.done, ...checksums.done],
    complaints: [...settings.complaints, ...checksums.complaints],
    tookMs: clock.monotonic() - startedMs,
  };
}

async function awaitUnderlay(
  network: Network,
  { exec, clock }: { exec: Exec; clock: Clock },
  untilMs: number,
  signal?: AbortSignal,
): Promise<{ kernel: KernelState; fitting: Fitting }> {
  for (;;) {
    const patience: Patience = clock.monotonic() < untilMs ? "some" : "none";
    const kernel = await readKernelState(exec);
    const fitting = fitNetwork(network, kernel.interfaces, patience);
    if (fitting.waiting.length === 0 || patience === "none") return { kernel, fitting };
    let isWaiting = true;
    while (isWaiting) {
      await clock.sleep(LOOK_MS, signal);
      // Who stops waiting must not take the interfaces for what they will be.
      signal?.throwIfAborted();
      // Not at all there is: a board that boots has other things to do.
      const { waiting } = fitNetwork(network, await readInterfaces(exec), "some");
      isWaiting = waiting.length > 0 && clock.monotonic() < untilMs;
    }
  }
}

/** What to do about `subnet.env`: it is written unless there is one, or it is not this node's. */
async function planSubnetEnv(
  { subnetEnv: text, podCidrs }: Network,
  fs: Fs,
  path: string,
): Promise<SubnetEnvOutcome> {
  if (text === undefined) return { state: "left", why: "the snapshot has none" };
  if (await isUsable(fs, path)) return { state: "present" };
  if (isOfNode(parseSubnetEnv(text), podCidrs)) return { state: "written" };
  return { state: "left", why: `its subnet is not one of this node's (${podCidrs.join(", ")})` };
}

async function restoreSubnetEnv(
  network: Network,
  fs: Fs,
  { subnetEnv: path }: NetworkPaths,
): Promise<SubnetEnvOutcome> {
  const planned = await planSubnetEnv(network, fs, path);
  if (planned.state !== "written") return planned;
  try {
    await fs.mkdir(path.slice(0, path.lastIndexOf("/")), 0o755);
    // The CNI plugin reads it as root, and people may.
    await fs.writeAtomic(path, network.subnetEnv!, 0o644);
    return planned;
  } catch (error) {
    return { state: "left", why: errorMessage(error) };
  }
}

async function isUsable(fs: Fs, path: string): Promise<boolean> {
  try {
    parseSubnetEnv(await fs.readText(path));
    return true;
  } catch {
    return false;
  }
}

/** What a restore would do now, line by line: nothing is changed. */
export async function describeRestore(
  network: Network,
  { exec, fs, paths = NETWORK_PATHS }: Omit<RestorePorts, "clock">,
): Promise<{
  lines: string[];
  changes: UnderlayChange[];
  waiting: string[];
  subnetEnv: SubnetEnvOutcome;
}> {
  const [kernel, settings, subnetEnv] = await Promise.all([
    readKernelState(exec),
    planSettings(exec, network),
    planSubnetEnv(network, fs, paths.subnetEnv),
  ]);
  const { desired, changes, waiting } = fitNetwork(network, kernel.interfaces, "none");
  const operations = batchesOf(plan(kernel, desired)).flatMap(({ program, operations }) =>
    operations.map((operation) => `${program} ${formatOperation(operation)}`)
  );
  const lines = [...settings.map((argv) => argv.join(" ")), ...operations];
  return { lines, changes, waiting, subnetEnv };
}
