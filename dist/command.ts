/**
 * Running the programs that a build needs.
 *
 * @module
 */

/** What a command gets besides its arguments. */
export interface CommandOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** The command is killed after this time; default 5 min. */
  readonly timeoutMs?: number;
  /** Return a non-zero code instead of throwing. */
  readonly allowFailure?: boolean;
}

/** Runs a command to its end; throws with what it said when it fails. */
export async function run(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { env = {}, cwd, timeoutMs = 300_000, allowFailure = false } = options;
  const [program, ...args] = argv;
  const limit = AbortSignal.timeout(timeoutMs);
  const output = await new Deno.Command(program!, {
    args,
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    signal: limit,
  }).output().catch((cause) => {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(`Cannot run ${program}: it is not on PATH (${Deno.env.get("PATH")})`, {
      cause,
    });
  });
  const decoder = new TextDecoder();
  const stdout = decoder.decode(output.stdout);
  // Deno's own frames have no names.
  const stderr = decoder.decode(output.stderr).replace(
    /\n+Stack backtrace:\n( +\d+: .*\n?)+/,
    "\n",
  );
  const { code } = output;
  if (code !== 0 && !allowFailure) {
    const how = limit.aborted ? `took more than ${timeoutMs / 1000} s` : `ended with ${code}`;
    throw new Error(`${argv.join(" ")} ${how}:\n${(stderr || stdout).trim()}`);
  }
  return { code, stdout, stderr };
}

/** A line of progress, on stderr. */
export function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`compile: ${text}\n`));
}
