import {
  ArgumentScannerError,
  buildApplication,
  ExitCode,
  formatMessageForArgumentScannerError,
  run,
  type StricliProcess,
  text_en as englishText,
} from "@stricli/core";
import { AgentError, errorMessage, UsageError } from "../kernel/errors.ts";
import { createHost, type Host } from "../platform/host.ts";
import { routes } from "./commands.ts";
import type { AgentContext } from "./context.ts";
import { AGENT_VERSION } from "./version.ts";

/** Runs the command that `args` name. The exit code: 0 done, 1 failed, 2 wrong usage or config. */
export async function runCli(
  args: readonly string[],
  host: Host = createHost(),
): Promise<number> {
  const debug = wantsDebug(args, host.env());
  const explain = (error: unknown) => formatFailure(error, debug);
  const application = buildApplication<AgentContext>(routes, {
    name: "edge-agent",
    versionInfo: { currentVersion: AGENT_VERSION },
    scanner: { caseStyle: "allow-kebab-for-camel" },
    documentation: { disableAnsiColor: true },
    localization: {
      text: {
        ...englishText,
        noCommandRegisteredForInput: ({ input, corrections }) =>
          `edge-agent: there is no command "${input}"${
            corrections.length === 0 ? "" : `, did you mean ${corrections.join(" or ")}?`
          } (edge-agent --help lists them)`,
        exceptionWhileParsingArguments: (error) =>
          error instanceof ArgumentScannerError
            ? `edge-agent: ${formatMessageForArgumentScannerError(error, {})}`
            : explain(error),
        exceptionWhileLoadingCommandFunction: explain,
        exceptionWhileLoadingCommandContext: explain,
        exceptionWhileRunningCommand: explain,
        commandErrorResult: explain,
      },
    },
    determineExitCode: (error) => error instanceof UsageError ? 2 : 1,
  });
  const process: StricliProcess = {
    stdout: { write: (text) => host.write("stdout", text) },
    stderr: { write: (text) => host.write("stderr", text) },
    env: {},
  };
  await run(application, args, { process, host });
  return toExitCode(Number(process.exitCode ?? 0));
}

function toExitCode(code: number): number {
  if (code === ExitCode.UnknownCommand || code === ExitCode.InvalidArgument) return 2;
  return code < 0 ? 1 : code;
}

/** What went wrong, for the person at the terminal: no stack unless asked for. */
function formatFailure(error: unknown, debug: boolean): string {
  const lines = [`edge-agent: ${errorMessage(error)}`];
  if (debug) {
    for (let e = error; e instanceof Error; e = e.cause) lines.push(e.stack ?? String(e));
  } else if (!(error instanceof AgentError) && !isOsError(error)) {
    lines.push("edge-agent: this was not foreseen: --log-level debug shows where it happened");
  }
  return lines.join("\n");
}

/** What the operating system refused: its message says enough. */
function isOsError(error: unknown): boolean {
  return error instanceof Error && typeof (error as Error & { code?: unknown }).code === "string";
}

/** Whether the log level is "debug" as far as that can be told before anything is parsed. */
function wantsDebug(args: readonly string[], env: Readonly<Record<string, string>>): boolean {
  const at = args.indexOf("--log-level");
  const given = at >= 0 ? args[at + 1] : args.find((arg) => arg.startsWith("--log-level="));
  return (given ?? env.EDGE_AGENT_LOG_LEVEL ?? "").replace("--log-level=", "") === "debug";
}
