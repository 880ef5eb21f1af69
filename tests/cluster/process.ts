/**
 * Long-running processes with their output in a file.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { Hopeless } from "./poll.ts";

/** What to start. */
export interface ProcessOptions {
  /** Used in error messages. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Gets stdout and stderr, appended. */
  readonly logFile: string;
  /** Network namespace to run in; default that of the caller. */
  readonly namespace?: string;
}

/** A started process. */
export class Process {
  readonly name: string;
  readonly logFile: string;
  readonly pid: number;
  /** Resolves when it has ended, however it ended. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  #status: Deno.CommandStatus | undefined;

  constructor({ name, argv, logFile, namespace }: ProcessOptions) {
    this.name = name;
    this.logFile = logFile;
    // The shell gives the file to the process and becomes the process: a pipe through us would
    // lose the last words of a process that outlives us. `ip netns exec` becomes it as well, so
    // the pid is right.
    const wrapped = [
      "sh",
      "-c",
      'log="$1"; shift; exec "$@" >>"$log" 2>&1',
      "sh",
      logFile,
      ...argv,
    ];
    const [program, ...args] = namespace ? ["ip", "netns", "exec", namespace, ...wrapped] : wrapped;
    this.#child = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.pid = this.#child.pid;
    this.ended = this.#child.status.then((status) => this.#status = status);
  }

  /** Throws {@linkcode Hopeless} when the process has ended. */
  assertRunning(): void {
    const status = this.#status;
    if (status) throw new Hopeless(`${this.name} ended with ${status.signal ?? status.code}`);
  }

  /** Ends the process and waits for that; one that ignores the signal is killed after the grace. */
  async stop(signal: Deno.Signal = "SIGTERM", graceMs = 90_000): Promise<void> {
    if (this.#status) return;
    sendSignal(this.#child, signal);
    const timer = setTimeout(() => sendSignal(this.#child, "SIGKILL"), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** The last lines of the log, for error messages. */
  async tail(lines = 20): Promise<string> {
    const text = await readFile(this.logFile, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }
}

/** Sends a signal to a child that may have ended in the meantime. */
export function sendSignal(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // Deno's word for a child whose end it has seen.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
