import { errorMessage, UnavailableError, UsageError } from "../kernel/errors.ts";
import { type ConfigFlag, loadConfig } from "../config/load.ts";
import { createFs, type Fs, isNotFound } from "../platform/fs.ts";
import type { Host } from "../platform/host.ts";
import { AgentConfig } from "./agent_config.ts";
import type { ConfigFlags } from "./context.ts";

const DEFAULT_PATH = "/etc/edge-agent/config.yaml";

/** Variables that stand for a flag, and one that tests use. */
const OTHER_VARIABLES = ["EDGE_AGENT_CONFIG", "EDGE_AGENT_ROOT", "EDGE_AGENT_BINARY"];

/** The configuration in effect, and what it was read with. */
export interface EffectiveConfig {
  config: AgentConfig;
  /** The file, without the `--root` before it. */
  path: string;
  fs: Fs;
  warnings: string[];
}

/**
 * Reads the configuration: flag > environment > file > default.
 *
 * @throws {UsageError} when there is no file, or with everything that is wrong in it
 * @throws {UnavailableError} when the file can't be read
 */
export async function readConfig(flags: ConfigFlags, host: Host): Promise<EffectiveConfig> {
  const env = host.env();
  const root = flags.root ?? env.EDGE_AGENT_ROOT;
  const fs = createFs(root === undefined ? "/" : host.absolutePath(root));
  const path = host.absolutePath(flags.config ?? env.EDGE_AGENT_CONFIG ?? DEFAULT_PATH);
  const overrides: ConfigFlag[] = flags.logLevel === undefined
    ? []
    : [{ name: "--log-level", path: ["log", "level"], value: flags.logLevel }];
  const text = await readText(fs, path);
  const sources = { file: { path: fs.resolve(path), text }, env, flags: overrides };
  return { ...loadConfig(AgentConfig, sources, OTHER_VARIABLES), path, fs };
}

async function readText(fs: Fs, path: string): Promise<string> {
  try {
    return await fs.readText(path);
  } catch (error) {
    const shown = fs.resolve(path);
    if (isNotFound(error)) throw new UsageError(explainAbsent(shown));
    throw new UnavailableError(`Cannot read the configuration: ${errorMessage(error)}`);
  }
}

function explainAbsent(path: string): string {
  return `There is no configuration at ${path}: name another with --config, or make it, for example:

  proxy:
    upstream:
      kubeconfig: /etc/kubernetes/kubelet.conf
    identities:
      - name: kubelet
        kubeconfig: /etc/kubernetes/kubelet.conf`;
}
