/**
 * Running short commands to their end.
 *
 * @module
 */

/** How a command ended, and what it said. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command gets besides its arguments. */
export interface CommandOptions {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** The command is killed after this time; default 60 s. */
  readonly timeoutMs?: number;
  /** Return a non-zero code instead of throwing. */
  readonly allowFailure?: boolean;
}

/** Runs a command; throws with its stderr when it fails, unless failure is allowed. */
export async function run(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [program, ...args] = argv;
  const { stdin, env, cwd, timeoutMs = 60_000 } = options;
  const child = new Deno.Command(program!, {
    args,
    env,
    cwd,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    const [output] = await Promise.all([child.output(), feed(child, stdin)]);
    const decoder = new TextDecoder();
    const stdout = decoder.decode(output.stdout);
    const stderr = decoder.decode(output.stderr);
    if (output.code !== 0 && !options.allowFailure) {
      const said = (stderr || stdout).trim();
      throw new Error(`Command failed with ${output.code}: ${argv.join(" ")}: ${said}`);
    }
    return { code: output.code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

async function feed(child: Deno.ChildProcess, stdin: string | undefined): Promise<void> {
  if (stdin === undefined) return;
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  } catch (error) {
    // A program that ends without reading all of its input is judged by its exit code.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Whether a command says that what it works on is gone, also if it went between being looked up and being used. */
export function saysGone(stderr: string): boolean {
  return /Cannot find device|No such (device|file or directory|process)/.test(stderr);
}
