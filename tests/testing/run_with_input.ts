/** What a command left behind. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end with a text on its standard input, which it may leave unread. */
export async function runWithInput(
  argv: readonly string[],
  stdin: string,
  options: Pick<Deno.CommandOptions, "env" | "clearEnv"> = {},
): Promise<RunResult> {
  const child = new Deno.Command(argv[0]!, {
    ...options,
    args: argv.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
