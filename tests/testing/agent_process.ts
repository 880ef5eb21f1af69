import { fileURLToPath } from "node:url";

/** The agent as a child process: from source, or the binary that EDGE_AGENT_BINARY names. */
export class AgentProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #collected: Promise<unknown>;
  #waiting: (() => void)[] = [];
  #ended = false;
  stdout = "";
  stderr = "";

  /** @param launcher program, with its arguments, that starts the agent in its own place */
  constructor(
    args: readonly string[],
    env: Record<string, string> = {},
    launcher: readonly string[] = [],
  ) {
    const binary = Deno.env.get("EDGE_AGENT_BINARY");
    const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
    const own = Object.entries(Deno.env.toObject())
      .filter(([name]) => !name.startsWith("EDGE_AGENT_"));
    const agent = binary === undefined ? [Deno.execPath(), "run", "-A", main] : [binary];
    const [program, ...rest] = [...launcher, ...agent, ...args];
    this.#child = new Deno.Command(program!, {
      args: rest,
      env: { ...Object.fromEntries(own), NO_COLOR: "1", ...env },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#collected = Promise.all([
      this.#collect(this.#child.stdout, (text) => this.stdout += text),
      this.#collect(this.#child.stderr, (text) => this.stderr += text),
    ]).then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The log records so far. */
  get log(): {
    level: string;
    category: string;
    message: string;
    data?: Record<string, unknown>;
  }[] {
    return this.stderr.split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves with the exit code once the process has ended. */
  async exit(): Promise<number> {
    const [status] = await Promise.all([this.#child.status, this.#collected]);
    return status.code;
  }

  /** Resolves with the data of the first log record of that message, and of that text in its data if one is given. */
  async logged(message: string, text = ""): Promise<Record<string, unknown>> {
    const find = () =>
      this.log.find((record) =>
        record.message === message && JSON.stringify(record.data ?? {}).includes(text)
      );
    await this.#until(() => find() !== undefined, `the log "${message}"`);
    return find()?.data ?? {};
  }

  /** Resolves once stdout has the text. */
  async printed(text: string): Promise<void> {
    await this.#until(() => this.stdout.includes(text), `the output "${text}"`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.exit();
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream() as TransformStream)) {
      add(chunk);
      this.#wake();
    }
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.#ended) throw new Error(`ended without ${what}:\n${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Runs the agent to its end. */
export async function runAgent(
  args: readonly string[],
  env: Record<string, string> = {},
  launcher: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using agent = new AgentProcess(args, env, launcher);
  const code = await agent.exit();
  return { code, stdout: agent.stdout, stderr: agent.stderr };
}
