/**
 * A handle on the program that calls CNI plugins on a host as containerd does.
 *
 * @module
 */

import { TextLineStream } from "../lines.ts";
import type { Machine } from "../node/machine.ts";

/** What a plugin is asked to do. */
export interface CniCommand {
  readonly op: "add" | "del" | "check" | "gc";
  readonly containerID?: string;
  /** Path of the pod's network namespace; empty where it is gone. */
  readonly netns?: string;
  readonly ifName?: string;
  /** `CNI_ARGS`. */
  readonly args?: readonly (readonly [string, string])[];
  readonly capabilityArgs?: Readonly<Record<string, unknown>>;
  /** The attachments that a gc leaves alone. */
  readonly valid?: readonly { readonly containerID: string; readonly ifname: string }[];
}

/** The parts of a result that tests look at. */
export interface CniResult {
  readonly cniVersion: string;
  readonly ips?: readonly { readonly address: string; readonly gateway?: string }[];
  readonly interfaces?: readonly { readonly name: string; readonly mac?: string }[];
}

interface Answer {
  readonly id: string;
  readonly result?: CniResult;
  readonly error?: { readonly code: number; readonly msg: string };
}

/** What a plugin, or the runtime itself (code 0), refused with. */
export class CniError extends Error {
  readonly code: number;

  constructor(command: CniCommand, { code, msg }: { code: number; msg: string }) {
    super(`CNI ${command.op.toUpperCase()} of ${command.containerID} failed with ${code}: ${msg}`);
    this.code = code;
  }
}

interface Waiting {
  readonly command: CniCommand;
  readonly answered: PromiseWithResolvers<CniResult | undefined>;
}

/** A running program; it ends with the host's power. */
export class CniRuntime implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<string, Waiting>();
  readonly #reading: Promise<void>;
  #count = 0;

  /** Starts it. @param program path of the built program */
  constructor(machine: Machine, program: string) {
    const [enter, ...args] = machine.command([program]);
    this.#child = new Deno.Command(enter!, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Calls the plugins; commands that are given at the same time run at the same time. */
  async call(command: CniCommand): Promise<CniResult | undefined> {
    const id = `${++this.#count}`;
    const answered = Promise.withResolvers<CniResult | undefined>();
    this.#waiting.set(id, { command, answered });
    const line = JSON.stringify({ id, ...command }) + "\n";
    await this.#input.write(new TextEncoder().encode(line)).catch(answered.reject);
    return await answered.promise;
  }

  async #read(): Promise<void> {
    for await (const line of this.#child.stdout.pipeThrough(new TextLineStream())) {
      const { id, result, error }: Answer = JSON.parse(line);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.answered.reject(new CniError(waiting.command, error));
      else waiting?.answered.resolve(result);
    }
    for (const { command, answered } of this.#waiting.values()) {
      answered.reject(new Error(`Cannot finish CNI ${command.op}: the runtime ended`));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#reading;
    await this.#child.status;
  }
}
