import type { CommandContext } from "@stricli/core";
import type { LogLevel } from "../telemetry/logger.ts";
import type { Host } from "../platform/host.ts";

/** What every command is run with. */
export interface AgentContext extends CommandContext {
  readonly host: Host;
}

/** Flags of the commands that read the configuration. */
export interface ConfigFlags {
  config?: string;
  logLevel?: LogLevel;
  root?: string;
}

/** How a command writes its result. */
export type Output = "text" | "json";
