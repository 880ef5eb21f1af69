import { stringify } from "yaml";
import * as z from "zod/mini";
import { ConfigError } from "../config/load.ts";
import { AgentConfig, MODULES } from "./agent_config.ts";
import type { AgentContext, ConfigFlags, Output } from "./context.ts";
import { readConfig } from "./read_config.ts";

/** `edge-agent config check`: with `--output json`, the errors are data on stdout. */
export async function checkCommand(
  this: AgentContext,
  flags: ConfigFlags & { output: Output },
): Promise<void> {
  const { host } = this;
  const json = flags.output === "json";
  const write = (data: unknown) => host.write("stdout", JSON.stringify(data) + "\n");
  try {
    const { config, path, fs, warnings } = await readConfig(flags, host);
    const modules = MODULES.filter((name) => config[name] !== undefined);
    if (json) return write({ ok: true, path: fs.resolve(path), modules, warnings });
    for (const warning of warnings) host.write("stderr", `edge-agent: warning: ${warning}\n`);
    const enabled = modules.length === 0
      ? "it enables no module"
      : `modules: ${modules.join(", ")}`;
    host.write("stdout", `${fs.resolve(path)} is fine; ${enabled}\n`);
  } catch (error) {
    if (json && error instanceof ConfigError) write({ ok: false, errors: error.issues });
    throw error;
  }
}

/** `edge-agent config print`: what it prints can be used as the file. */
export async function printCommand(
  this: AgentContext,
  flags: ConfigFlags & { output: "yaml" | "json" },
): Promise<void> {
  const { config } = await readConfig(flags, this.host);
  const data = z.encode(AgentConfig, config);
  const text = flags.output === "json" ? JSON.stringify(data, null, 2) + "\n" : stringify(data);
  this.host.write("stdout", text);
}
