import { systemClock } from "../kernel/clock.ts";
import { errorMessage, UnavailableError, UsageError } from "../kernel/errors.ts";
import { supervise } from "../kernel/supervisor.ts";
import type { Host } from "../platform/host.ts";
import { listenForSignals } from "../platform/signals.ts";
import { catchUncaught } from "../platform/uncaught.ts";
import { moduleLogger, startLogging } from "../telemetry/logger.ts";
import { addUncaughtMetric, createRegistry } from "../telemetry/metrics.ts";
import { type AgentConfig, type ModuleName, MODULES } from "./agent_config.ts";
import type { AgentContext, ConfigFlags } from "./context.ts";
import { type EffectiveConfig, readConfig } from "./read_config.ts";
import { applyConfig } from "./reload.ts";
import { AGENT_VERSION } from "./version.ts";
import { wireModules } from "./wire.ts";

/** How long modules may take to stop, ms. */
const STOP_GRACE_MS = 5_000;

/** `edge-agent run`. */
export async function runCommand(this: AgentContext, flags: ConfigFlags): Promise<void> {
  await runAgent(this.host, flags, ({ config, path }) => {
    const enabled = MODULES.filter((name) => config[name] !== undefined);
    if (enabled.length > 0) return enabled;
    throw new UsageError(
      `${path} enables no module: add a section for one (${MODULES.join(", ")})`,
    );
  });
}

/** `edge-agent proxy`. */
export async function proxyCommand(this: AgentContext, flags: ConfigFlags): Promise<void> {
  await runAgent(this.host, flags, ({ config, path }) => {
    if (config.proxy !== undefined) return ["proxy"];
    throw new UsageError(`${path} has no section "proxy": it says where the kube-apiserver is`);
  });
}

/** `edge-agent snapshot run`. */
export async function snapshotCommand(this: AgentContext, flags: ConfigFlags): Promise<void> {
  await runAgent(this.host, flags, ({ config, path }) => {
    if (config.snapshot !== undefined) return ["snapshot"];
    throw new UsageError(`${path} has no section "snapshot": add one, if only "snapshot: {}"`);
  });
}

/** `edge-agent dns`. */
export async function runDns({ host }: AgentContext, flags: ConfigFlags): Promise<void> {
  await runAgent(host, flags, ({ config, path }) => {
    if (config.dns !== undefined) return ["dns"];
    throw new UsageError(`${path} has no section "dns": add one, if only "dns: {}"`);
  });
}

/** Runs modules until a signal; `choose` says which. */
async function runAgent(
  host: Host,
  flags: ConfigFlags,
  choose: (effective: EffectiveConfig) => ModuleName[],
): Promise<void> {
  // Until the modules run there is nothing to reload: a SIGHUP must only not kill the process.
  let reload = () => {};
  using signals = listenForSignals({
    reload: () => reload(),
    stopAgain: () => host.exit(1),
  });
  const startedMs = systemClock.monotonic();
  const effective = await readConfig(flags, host);
  const enabled = choose(effective);
  const { config, path, fs, warnings } = effective;
  const setLog = (log: AgentConfig["log"]) => startAgentLog(host, log);
  setLog(config.log);
  const logger = moduleLogger("agent");
  for (const warning of warnings) logger.warn("suspicious configuration", { warning });

  const registry = createRegistry();
  const countUncaught = addUncaughtMetric(registry);
  // A bug in one corner must not take the node's only API server away.
  using _uncaught = catchUncaught((error) => {
    countUncaught();
    logger.error("unexpected error", { error, stack: error instanceof Error ? error.stack : "" });
  });

  const ports = { clock: systemClock, fs, host, registry };
  const wired = await wireModules(config, enabled, path, ports);
  const modules = wired.map(({ module }) => module);
  const reloader = new Reloader(config, async (current) => {
    const next = await readConfig(flags, host);
    choose(next);
    return await applyConfig(current, next.config, { modules: wired, logger, setLog });
  }, (error) => {
    logger.error("configuration is kept: the new one can not be used", {
      config: path,
      error: errorMessage(error),
    });
  });
  const outcome = await supervise(modules, signals.stop, {
    clock: systemClock,
    graceMs: STOP_GRACE_MS,
    events: {
      started(module) {
        logger.debug("module started", { module: module.name });
        if (module !== modules.at(-1)) return;
        reload = () => reloader.reload();
        logger.info("edge-agent is running", {
          version: AGENT_VERSION,
          deno: host.runtime.deno,
          config: path,
          listeners: Object.fromEntries(
            modules.map((each) => [each.name, each.status().url]),
          ),
          startMs: Math.round(systemClock.monotonic() - startedMs),
        });
      },
      stopped: (module) => logger.debug("module stopped", { module: module.name }),
    },
  });
  const signal = String(signals.stop.reason);
  if (outcome.state === "forced") {
    throw new UnavailableError(
      `${outcome.stuck.join(", ")} did not stop within ${STOP_GRACE_MS / 1_000} s of ${signal}`,
    );
  }
  logger.info("edge-agent stopped", { signal });
}

/** Reloads one after the other, however fast the signals come. */
class Reloader {
  #config: AgentConfig;
  #last: Promise<void> = Promise.resolve();
  readonly #apply: (current: AgentConfig) => Promise<AgentConfig>;
  readonly #failed: (error: unknown) => void;

  constructor(
    config: AgentConfig,
    apply: (current: AgentConfig) => Promise<AgentConfig>,
    failed: (error: unknown) => void,
  ) {
    this.#config = config;
    this.#apply = apply;
    this.#failed = failed;
  }

  reload(): void {
    this.#last = this.#last.then(async () => {
      try {
        this.#config = await this.#apply(this.#config);
      } catch (error) {
        this.#failed(error);
      }
    });
  }
}

function startAgentLog(host: Host, { level, format }: AgentConfig["log"]): void {
  const isTerminal = host.isTerminal("stderr");
  startLogging({
    level,
    format,
    isTerminal,
    color: isTerminal && !host.noColor,
    write: (line) => host.write("stderr", line),
  });
}
