import { AgentError, errorMessage } from "../kernel/errors.ts";
import { PROGRAMS } from "./programs.ts";
import { TextLines } from "./text_lines.ts";

/** What a program gets besides its arguments. */
export interface ExecOptions {
  /** Written to its standard input, which is empty otherwise. */
  stdin?: string;
  /** Laid over the agent's own environment. */
  env?: Readonly<Record<string, string>>;
  /** The program is killed after this time. Default 10,000 ms. */
  timeoutMs?: number;
}

/** How a program ended. Texts are decoded as UTF-8. */
export interface ExecResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Other programs of this host, as a port. The first word of `argv` is a name on PATH, never a shell's text. */
export interface Exec {
  /**
   * Runs a program to its end; a non-zero code is an answer, no error.
   *
   * @throws {ProgramError} when it can't be run, or did not end in time
   */
  run(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /**
   * What a long-running program prints, line by line, until it ends; when `signal` aborts it is killed.
   *
   * @throws {ProgramError} when it can't be run, or ended with a non-zero code by itself
   */
  lines(argv: readonly string[], signal: AbortSignal): AsyncIterable<string>;
}

/** A program that is not there, may not be run, took too long, or ended where it must not. */
export class ProgramError extends AgentError {
  readonly code = "program";
  constructor(readonly program: string, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

const TIMEOUT_MS = 10_000;

/** How long a killed program may take to be gone, ms: in a hanging call of the kernel it never is. */
const KILL_MS = 1_000;

/** The programs of this host. */
export function createExec(): Exec {
  return { run, lines };
}

async function run(
  [program = "", ...args]: readonly string[],
  { stdin, env, timeoutMs = TIMEOUT_MS }: ExecOptions = {},
): Promise<ExecResult> {
  const child = spawn(program, {
    args,
    env,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const readers = [child.stdout.getReader(), child.stderr.getReader()] as const;
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<undefined>();
  let late = false;
  let timer = setTimeout(() => {
    late = true;
    // Some programs do not mind SIGTERM.
    kill(child);
    // Nor do these end with it: a child of its own may hold them open.
    for (const reader of readers) void reader.cancel().catch(() => {});
    timer = setTimeout(() => giveUp(undefined), KILL_MS);
  }, timeoutMs);
  const ended = Promise.all([
    child.status,
    textOf(readers[0]),
    textOf(readers[1]),
    feed(child, stdin),
  ]);
  try {
    const result = await Promise.race([ended, givenUp]);
    if (late || result === undefined) {
      throw new ProgramError(program, `"${program}" did not end within ${timeoutMs / 1_000} s`);
    }
    const [{ code }, stdout, stderr] = result;
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

async function textOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
  }
}

async function* lines(
  [program = "", ...args]: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<string> {
  const child = spawn(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal,
  });
  const split = new TextLines();
  const reader = child.stdout.getReader();
  // Not only the program's death ends its output: a child of its own may hold it open.
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* split.push(value);
    }
    yield* split.end();
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    kill(child);
    const { code } = await child.status;
    if (!signal.aborted && code !== 0 && code < 128) {
      // deno-lint-ignore no-unsafe-finally -- whoever breaks off the loop has aborted or killed it
      throw new ProgramError(program, `"${program} ${args.join(" ")}" ended with code ${code}`);
    }
  }
}

function spawn(program: string, options: Deno.CommandOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, options).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new ProgramError(program, `there is no program "${program}" on PATH: install it`);
    }
    if ((error as Error).name === "NotCapable") {
      throw new ProgramError(
        program,
        PROGRAMS.includes(program)
          ? `"${program}" was not there when edge-agent started: restart edge-agent to have it used`
          : `this build was not compiled to run "${program}"`,
      );
    }
    throw new ProgramError(program, `cannot run "${program}": ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/** A program that does not read to the end of its input has its reasons, which its code tells. */
async function feed(child: Deno.ChildProcess, stdin: string | undefined): Promise<void> {
  if (stdin === undefined) return;
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  } catch {
    // See above.
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}
