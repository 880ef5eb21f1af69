/**
 * A handle on the program that asks as a kubelet does.
 *
 * @module
 */

import { TextLineStream } from "./lines.ts";
import { until } from "./poll.ts";

/** A pod, real or not. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** One thing that the program tells. */
export type AskerLine =
  | { readonly type: "token"; readonly token?: string; readonly error?: string }
  | {
    readonly type: "review";
    readonly authenticated?: boolean;
    readonly user?: string;
    readonly error?: string;
  }
  | {
    readonly type: "request";
    readonly method: string;
    readonly path: string;
    readonly status: number;
    /** Content types of the request and of the answer. */
    readonly sent: string;
    readonly got: string;
  }
  | { readonly type: "requestError"; readonly method: string; readonly error: string };

type LineOf<T extends AskerLine["type"]> = Extract<AskerLine, { readonly type: T }>;

/** A running program; it ends with its owner. */
export class Asker implements AsyncDisposable {
  /** All lines so far. */
  readonly lines: AskerLine[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;

  /** Starts it. @param program path of the built program */
  constructor(program: string, kubeconfig: string) {
    const args = ["-kubeconfig", kubeconfig];
    const command = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" });
    this.#child = command.spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const line of this.#child.stdout.pipeThrough(new TextLineStream())) {
      this.lines.push(JSON.parse(line));
    }
  }

  /**
   * Records an Event about a pod; the program sends it when it can.
   *
   * @param options `group`: by way of events.k8s.io/v1
   */
  async event(
    pod: PodReference,
    reason: string,
    message: string,
    options: { group?: boolean } = {},
  ): Promise<void> {
    await this.#tell({ event: { pod, reason, message, ...options } });
  }

  /** Requests a token that is bound to a pod. */
  token(account: string, pod: PodReference): Promise<LineOf<"token">> {
    return this.#ask("token", { token: { account, pod } });
  }

  /** Has a token reviewed. */
  review(token: string): Promise<LineOf<"review">> {
    return this.#ask("review", { review: { token } });
  }

  /** The answers to the requests of a method so far. */
  requests(method: string): LineOf<"request">[] {
    return this.#of("request").filter((line) => line.method === method);
  }

  #of<T extends AskerLine["type"]>(type: T): LineOf<T>[] {
    return this.lines.filter((line): line is LineOf<T> => line.type === type);
  }

  async #ask<T extends "token" | "review">(type: T, command: unknown): Promise<LineOf<T>> {
    const before = this.#of(type).length;
    await this.#tell(command);
    return await until(`a ${type}`, () => this.#of(type)[before], { timeoutMs: 30_000 });
  }

  async #tell(command: unknown): Promise<void> {
    await this.#input.write(new TextEncoder().encode(JSON.stringify(command) + "\n"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#reading;
    await this.#child.status;
  }
}
