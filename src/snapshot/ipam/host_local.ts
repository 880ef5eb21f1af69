import { errorMessage } from "../../kernel/errors.ts";
import { type Exec, ProgramError } from "../../platform/exec.ts";
import { CNI_CODE, CniError } from "./cni_error.ts";
import { type JsonObject, objectOf, parseJson, textOf, textsOf } from "./loose_json.ts";
import type { CniCommand, PluginRequest } from "./plugin_request.ts";

/** How host-local ended. */
export interface HostLocalAnswer {
  /** Exit code: 0 done. */
  readonly code: number;
  /** What it printed, to be handed on unchanged. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Longer than host-local waits for its own lock. */
const TIMEOUT_MS = 15_000;

/** The stock `host-local`, found by its name on CNI_PATH. */
export class HostLocal {
  readonly #exec: Exec;
  readonly #env: Readonly<Record<string, string>>;
  constructor(exec: Exec, env: Readonly<Record<string, string>>) {
    this.#exec = exec;
    this.#env = env;
  }

  /**
   * Runs one command with the caller's whole environment.
   *
   * @throws {CniError} when it can't be run or does not end
   */
  async run(command: CniCommand, stdin: string): Promise<HostLocalAnswer> {
    const env = { ...this.#env, CNI_COMMAND: command, PATH: this.#env.CNI_PATH ?? "" };
    try {
      return await this.#exec.run(["host-local"], { stdin, env, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      if (!(error instanceof ProgramError)) throw error;
      throw new CniError(
        CNI_CODE.other,
        `cannot run the IPAM plugin host-local: ${errorMessage(error)}`,
        `looked for in CNI_PATH=${this.#env.CNI_PATH ?? ""}`,
        { cause: error },
      );
    }
  }

  /** Versions of the specification that it speaks. */
  async versions(): Promise<string[]> {
    const { code, stdout } = await this.run("VERSION", `{"cniVersion":"1.0.0"}`);
    if (code !== 0) throw new CniError(CNI_CODE.other, "host-local does not tell its versions");
    return textsOf(objectOf(parseJson(stdout)).supportedVersions);
  }
}

/** The error in an answer. */
export function errorOf({ stdout, stderr }: HostLocalAnswer): { code: number; message: string } {
  const data: JsonObject = objectOf(parseJson(stdout));
  const code = typeof data.code === "number" ? data.code : CNI_CODE.other;
  return { code, message: textOf(data.msg) ?? (stdout || stderr).trim() };
}

/** Whether the call was refused because a range set has no address left. */
export function saysFull(answer: HostLocalAnswer): boolean {
  return answer.code !== 0 &&
    errorOf(answer).message.includes("no IP addresses available in range set");
}

/** Whether the call was refused because the container has an address already. */
export function saysDuplicate(answer: HostLocalAnswer): boolean {
  return answer.code !== 0 && errorOf(answer).message.includes("duplicate allocation");
}

/** What a command of the plugin does its work with. */
export interface Call {
  readonly request: PluginRequest;
  readonly hostLocal: HostLocal;
  /** Tells a person something that is no answer. */
  log(message: string): void;
}
