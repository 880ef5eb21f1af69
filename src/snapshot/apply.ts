import { type Exec, ProgramError } from "../platform/exec.ts";
import { readKernelState } from "./kernel_state.ts";
import type { KernelState } from "./model.ts";
import { type Batch, batchesOf, formatOperation, linkOf, type Operation } from "./operation.ts";
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
 * left as it was, and so are the ways over it; neither it nor an entry of a table that is refused hinders others.
 *
 * @throws {ProgramError} when no device can be made, or a program can't be run
 */
export async function converge(
  exec: Exec,
  desired: DesiredState,
  before?: KernelState,
): Promise<Convergence> {
  let current = before ?? await readKernelState(exec);
  const failed = new Map<string, Refusal>();
  const refusals = new Map<string, string>();
  let done = 0;
  for (let round = 1;; round++) {
    const operations = plan(currentBut(current, failed), desiredBut(desired, failed));
    if (operations.length === 0 || round > ROUNDS) {
      const refused = operations.map((operation) => ({
        operation,
        why: refusals.get(formatOperation(operation)) ?? "it does not stay",
      }));
      return { done, refused: [...failed.values(), ...refused] };
    }
    done += operations.length;
    const failure = await makeLinks(exec, operations, current);
    if (failure !== undefined) {
      const { link, refusal } = failure;
      failed.set(link, refusal);
      if (failed.size === desired.links.length) {
        const text = formatOperation(refusal.operation);
        throw new ProgramError("ip", `"${text}" failed: ${refusal.why}`);
      }
      round--;
    } else {
      for (const batch of batchesOf(operations.filter((each) => linkOf(each) === undefined))) {
        for (const { operation, why } of await runBatch(exec, batch)) {
          refusals.set(formatOperation(operation), why);
        }
      }
    }
    current = await readKernelState(exec);
  }
}

/** Does what there is to do with the links, one after the other. The first that fails is as it was before. */
async function makeLinks(
  exec: Exec,
  operations: readonly Operation[],
  before: KernelState,
): Promise<{ link: string; refusal: Refusal } | undefined> {
  const byLink = Map.groupBy(operations, linkOf);
  byLink.delete(undefined);
  for (const [link, ofLink] of byLink as Map<string, Operation[]>) {
    for (const batch of batchesOf(ofLink)) {
      const [refusal] = await runBatch(exec, batch).catch(async (error) => {
        await undo(exec, before, link);
        throw error;
      });
      if (refusal === undefined) continue;
      await undo(exec, before, link);
      return { link, refusal };
    }
  }
  return undefined;
}

function desiredBut(
  { links, peers }: DesiredState,
  but: ReadonlyMap<string, unknown>,
): DesiredState {
  if (but.size === 0) return { links, peers };
  return {
    links: links.filter(({ name }) => !but.has(name)),
    peers: peers.filter(({ link }) => !but.has(link)),
  };
}

function currentBut(state: KernelState, but: ReadonlyMap<string, unknown>): KernelState {
  if (but.size === 0) return state;
  const stays = ({ link }: { link: string }) => !but.has(link);
  return {
    ...state,
    links: state.links.filter(({ name }) => !but.has(name)),
    neighbours: state.neighbours.filter(stays),
    fdb: state.fdb.filter(stays),
    routes: state.routes.filter(stays),
  };
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

/** Takes back what was begun with a link; what can't be taken back is left to the next try. */
async function undo(exec: Exec, before: KernelState, link: string): Promise<void> {
  try {
    const now = await readKernelState(exec);
    for (const batch of batchesOf(planUndo(now, before, link))) await runBatch(exec, batch);
  } catch {
    // The failure that led here is the one to tell.
  }
}

/** The steps that give one of flannel's links and its tables the state that they had before. */
function planUndo(now: KernelState, before: KernelState, link: string): Operation[] {
  const had = before.links.filter(({ name }) => name === link);
  const names = new Set(had.map(({ name }) => name));
  const added = now.links.filter(({ name }) => name === link && !names.has(name));
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
  if (structural) return [{ operation: operations[0]!, why }];
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
