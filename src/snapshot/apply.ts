import { type Exec, ProgramError } from "../platform/exec.ts";
import { readKernelState } from "./kernel_state.ts";
import { isFlannelLink, type KernelState } from "./model.ts";
import { type Batch, batchesOf, formatOperation, type Operation } from "./operation.ts";
import { type DesiredState, plan } from "./plan.ts";

/** An operation that the kernel refused, in its words. */
export interface Refusal {
  operation: Operation;
  why: string;
}

/** How a network was brought to what was wanted. */
export interface Convergence {
  /** Operations that were tried, repetitions included. */
  done: number;
  /** What is still not as it should be. */
  refused: Refusal[];
}

/** Times that a plan is made and carried out: one step may undo what another one did before it. */
const ROUNDS = 3;

/** How long one batch may take, ms: thousands of entries on a slow board. */
const BATCH_TIMEOUT_MS = 60_000;

/**
 * Brings the host to `desired` and makes sure that it is there. A device that can't be made as it should be is
 * left as it was; an entry of a table that is refused does not hinder the others.
 *
 * @throws {ProgramError} when a device can't be made, or a program can't be run
 */
export async function converge(
  exec: Exec,
  desired: DesiredState,
  before?: KernelState,
): Promise<Convergence> {
  let current = before ?? await readKernelState(exec);
  const refusals = new Map<string, string>();
  let done = 0;
  for (let round = 1;; round++) {
    const operations = plan(current, desired);
    if (operations.length === 0 || round > ROUNDS) {
      const refused = operations.map((operation) => ({
        operation,
        why: refusals.get(formatOperation(operation)) ?? "it does not stay",
      }));
      return { done, refused };
    }
    done += operations.length;
    for (const batch of batchesOf(operations)) {
      const failures = await runBatch(exec, batch).catch(async (error) => {
        if (batch.structural) await undo(exec, current);
        throw error;
      });
      if (batch.structural && failures.length > 0) {
        await undo(exec, current);
        const [{ operation, why }] = failures as [Refusal];
        throw new ProgramError(batch.program, `"${formatOperation(operation)}" failed: ${why}`);
      }
      for (const { operation, why } of failures) refusals.set(formatOperation(operation), why);
    }
    current = await readKernelState(exec);
  }
}

/** Carries out operations of tables alone, once; what was refused. */
export async function runOperations(
  exec: Exec,
  operations: readonly Operation[],
): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  for (const batch of batchesOf(operations)) refusals.push(...await runBatch(exec, batch));
  return refusals;
}

/** Takes back what was begun with the links; what can't be taken back is left to the next try. */
async function undo(exec: Exec, before: KernelState): Promise<void> {
  try {
    const now = await readKernelState(exec);
    for (const batch of batchesOf(planUndo(now, before))) await runBatch(exec, batch);
  } catch {
    // The failure that led here is the one to tell.
  }
}

/** The steps that give flannel's links and their tables the state that they had before. */
export function planUndo(now: KernelState, before: KernelState): Operation[] {
  const had = before.links.filter(({ name }) => isFlannelLink(name));
  const names = new Set(had.map(({ name }) => name));
  const added = now.links.filter(({ name }) => isFlannelLink(name) && !names.has(name));
  /** What a link's table had and has no more. */
  const lost = <T extends { link: string }>(table: (state: KernelState) => T[]): T[] => {
    const there = new Set(table(now).map((each) => JSON.stringify(each)));
    return table(before).filter((each) => names.has(each.link) && !there.has(JSON.stringify(each)));
  };
  return [
    ...added.map(({ name }): Operation => ({ do: "link-delete", link: name })),
    ...plan({ ...now, routes: [] }, { links: had, peers: [] }),
    ...lost((state) => state.neighbours)
      .map((neighbour): Operation => ({ do: "neighbour-replace", neighbour })),
    ...lost((state) => state.fdb).map((entry): Operation => ({ do: "fdb-replace", entry })),
    ...lost((state) => state.routes).map((route): Operation => ({ do: "route-replace", route })),
  ];
}

/** Runs one batch; what its program refused, in order. A structural one ends at its first failure. */
async function runBatch(exec: Exec, batch: Batch): Promise<Refusal[]> {
  const { program, structural, operations } = batch;
  const force = structural ? [] : ["-force"];
  const { code, stderr } = await exec.run([program, ...force, "-batch", "-"], {
    stdin: operations.map((each) => formatOperation(each) + "\n").join(""),
    timeoutMs: BATCH_TIMEOUT_MS,
  });
  const refusals = parseRefusals(stderr, operations);
  if (code === 0 || refusals.length > 0) return refusals;
  const why = withoutPrefix(stderr.trim()) || `"${program}" ended with code ${code}`;
  if (structural) throw new ProgramError(program, `"${program} -batch" failed: ${why}`);
  // Some failures end the program, -force or not (`ip neigh`): whoever comes behind must not suffer.
  if (operations.length === 1) return [{ operation: operations[0]!, why }];
  const middle = operations.length >> 1;
  return [
    ...await runBatch(exec, { ...batch, operations: operations.slice(0, middle) }),
    ...await runBatch(exec, { ...batch, operations: operations.slice(middle) }),
  ];
}

/** Reads which lines of a batch failed: the reason comes first, then `Command failed -:<line>`. */
export function parseRefusals(stderr: string, operations: readonly Operation[]): Refusal[] {
  const refusals: Refusal[] = [];
  let reasons: string[] = [];
  for (const line of stderr.split("\n")) {
    const failed = /^Command failed .*:(\d+)$/.exec(line.trim());
    if (failed === null) {
      if (line.trim() !== "") reasons.push(line.trim());
      continue;
    }
    const operation = operations[Number(failed[1]) - 1];
    const why = withoutPrefix(reasons.join("; ")) || "no reason given";
    if (operation !== undefined) refusals.push({ operation, why });
    reasons = [];
  }
  return refusals;
}

function withoutPrefix(reason: string): string {
  return reason.replace(/^(RTNETLINK answers|Error): /, "");
}
