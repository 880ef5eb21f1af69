/**
 * kubectl commands that go on until they are ended: `port-forward`, `attach`, `logs -f`.
 *
 * @module
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { run } from "../command.ts";
import { until } from "../poll.ts";
import { Process } from "../process.ts";

/** What to start. */
export interface KubectlProcessOptions {
  readonly kubeconfig: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running kubectl with its output kept; disposing kills it. */
export class KubectlProcess implements AsyncDisposable {
  readonly #process: Process;
  readonly #input: string;

  private constructor(process: Process, input: string) {
    this.#process = process;
    this.#input = input;
  }

  /** Starts kubectl in the caller's network namespace. */
  static async start(
    cluster: Cluster,
    args: readonly string[],
    { kubeconfig, env = {} }: KubectlProcessOptions,
  ): Promise<KubectlProcess> {
    const home = join(cluster.folder, "home");
    await mkdir(home, { recursive: true });
    const base = join(home, `kubectl-${crypto.randomUUID()}`);
    const input = `${base}.in`;
    await run(["mkfifo", input]);
    const own = { HOME: home, KUBECONFIG: "", KUBECTL_KUBERC: "false", ...env };
    const process = new Process({
      name: `kubectl ${args[0]}`,
      argv: [
        ...["env", ...Object.entries(own).map(([name, value]) => `${name}=${value}`)],
        // Open for writing as well, so that it never ends.
        ...["sh", "-c", 'exec "$@" <>"$0"', input],
        ...[cluster.bin("kubectl"), `--kubeconfig=${kubeconfig}`, `--cache-dir=${home}/cache`],
        ...args,
      ],
      logFile: `${base}.log`,
    });
    return new KubectlProcess(process, input);
  }

  /** Types a text. */
  async say(text: string): Promise<void> {
    await writeFile(this.#input, text);
  }

  /** Waits for a text in its output, stdout and stderr alike, and returns what matched. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    const { name, logFile } = this.#process;
    return await until(`${name} to print ${pattern}`, async () => {
      const match = pattern.exec(await readFile(logFile, "utf8"));
      if (match) return match;
      this.#process.assertRunning();
    }, { timeoutMs: 30_000 }).catch(async (cause) => {
      throw new Error(`${cause.message}; it printed: ${await this.#process.tail()}`, { cause });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop("SIGKILL");
  }
}
