import type { Logger } from "@logtape/logtape";
import { errorMessage } from "../kernel/errors.ts";
import type { AgentConfig } from "./agent_config.ts";
import type { WiredModule } from "./wire.ts";

/** The paths of all values in which two configs differ. */
export function changedPaths(before: unknown, after: unknown, path = ""): string[] {
  if (Object.is(before, after)) return [];
  if (isSection(before) && isSection(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) =>
      changedPaths(before[key], after[key], path === "" ? key : `${path}.${key}`)
    );
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
}

/** What a reload works on. */
export interface ReloadPorts {
  modules: readonly WiredModule[];
  logger: Logger;
  /** Takes over the `log` section. */
  setLog(log: AgentConfig["log"]): void;
}

/**
 * Lets the running agent take over what it can of a new config, and logs what changed and what needs a
 * restart. The result is the config in effect afterwards.
 */
export async function applyConfig(
  current: AgentConfig,
  next: AgentConfig,
  ports: ReloadPorts,
): Promise<AgentConfig> {
  const { modules, logger, setLog } = ports;
  const changed = changedPaths(current, next);
  if (changed.length === 0) {
    logger.info("configuration read again: nothing changed");
    return current;
  }
  const effective = { ...current, log: next.log };
  const applied: string[] = changed.filter((path) => path.startsWith("log."));
  if (applied.length > 0) setLog(next.log);
  for (const { module, section } of modules) {
    if (section === undefined || module.reload === undefined || next[section] === undefined) {
      continue;
    }
    const own = changed.filter((path) => path === section || path.startsWith(`${section}.`));
    if (own.length === 0) continue;
    try {
      await module.reload(next[section]);
      Object.assign(effective, { [section]: next[section] });
      applied.push(...own);
    } catch (error) {
      logger.error("module keeps its configuration", {
        module: module.name,
        error: errorMessage(error),
      });
    }
  }
  const needRestart = changed.filter((path) => !applied.includes(path));
  if (needRestart.length === 0) logger.info("configuration read again", { applied });
  else {logger.warn("configuration read again: some changes need a restart", {
      applied,
      needRestart,
    });}
  return effective;
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
