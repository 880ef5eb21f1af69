/**
 * The cloud's running processes.
 *
 * @module
 */

import { join } from "node:path";
import type { Built } from "./build.ts";
import type { CloudClient } from "./cloud_client.ts";
import {
  argumentsOf,
  type ControlPlaneName,
  readinessOf,
  SECOND_APISERVER,
  type Site,
} from "./command_lines.ts";
import { until } from "./poll.ts";
import { Process } from "./process.ts";

/** What all processes share. */
export interface ControlPlaneOptions {
  readonly built: Built;
  readonly site: Site;
  readonly namespace: string;
  /** Folder for the logs. */
  readonly folder: string;
  /** Asks the processes whether they are ready. */
  readonly client: CloudClient;
  readonly extraArguments: Partial<Record<ControlPlaneName, readonly string[]>>;
}

/** Time for one process to get ready on a machine that is busy with other things. */
const READY_TIMEOUT_MS = 60_000;

/** Starts and stops processes by name. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #running = new Map<ControlPlaneName, Process>();

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
  }

  /** Starts a process and waits until it is ready; throws with the end of its log if it fails. */
  async start(name: ControlPlaneName): Promise<void> {
    const { built, site, namespace, folder, client, extraArguments } = this.#options;
    if (this.#running.has(name)) throw new Error(`Cannot start ${name}: it runs already`);
    const process = new Process({
      name,
      argv: [
        built.bin(name === SECOND_APISERVER ? "kube-apiserver" : name),
        ...argumentsOf(name, site),
        ...(extraArguments[name] ?? []),
      ],
      logFile: join(folder, `${name}.log`),
      namespace,
    });
    this.#running.set(name, process);
    try {
      await until(`${name} to be ready`, async (signal) => {
        process.assertRunning();
        return await client.isOk(readinessOf(name, site), signal);
      }, { timeoutMs: READY_TIMEOUT_MS });
    } catch (cause) {
      await this.stop(name, "SIGKILL");
      throw new Error(`Cannot start ${name}: ${messageOf(cause)}\n${await process.tail()}`, {
        cause,
      });
    }
  }

  /** Stops a process; one that does not run is fine. */
  async stop(name: ControlPlaneName, signal: Deno.Signal = "SIGTERM"): Promise<void> {
    await this.#running.get(name)?.stop(signal);
    this.#running.delete(name);
  }

  /** Kills all processes, whose data nobody will read. */
  async killAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.stop(name, "SIGKILL")));
  }

  /** The last lines of a process's log. */
  async log(name: ControlPlaneName, lines?: number): Promise<string> {
    return await this.#running.get(name)?.tail(lines) ?? "";
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
