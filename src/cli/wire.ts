import type { Registry } from "prom-client";
import type { DemoAgent, DemoAgentOptions } from "../demo/mod.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Module } from "../kernel/module.ts";
import { createExec } from "../platform/exec.ts";
import type { Fs } from "../platform/fs.ts";
import type { Host } from "../platform/host.ts";
import type { Proxy } from "../proxy/mod.ts";
import { createAdmin } from "../telemetry/admin.ts";
import { moduleLogger } from "../telemetry/logger.ts";
import { addModuleMetrics, addProcessMetrics } from "../telemetry/metrics.ts";
import type { AgentConfig, ModuleName } from "./agent_config.ts";
import { dnsConfig, onLink } from "./dns_wiring.ts";
import { linkFor, snapshotConfig } from "./snapshot_wiring.ts";
import { AGENT_VERSION } from "./version.ts";

/** What all modules are made with. */
export interface WirePorts {
  clock: Clock;
  fs: Fs;
  host: Host;
  registry: Registry;
}

/** A module, and its section of the config; the agent's own modules have none. */
export interface WiredModule {
  module: Module;
  section?: ModuleName;
}

/**
 * Constructs the modules in the order of their start: admin first, so that `/livez` answers while the
 * others start. Nothing is opened yet. The only place that knows every module; each is loaded only when it
 * is enabled.
 */
export async function wireModules(
  config: AgentConfig,
  enabled: readonly ModuleName[],
  configPath: string,
  ports: WirePorts,
): Promise<WiredModule[]> {
  const { clock, fs, host, registry } = ports;
  const wired: WiredModule[] = [];
  const modules = () => wired.map(({ module }) => module);
  addProcessMetrics(registry, { host, clock, version: AGENT_VERSION });
  addModuleMetrics(registry, modules);

  const startedMs = clock.monotonic();
  const startedAt = new Date(clock.now()).toISOString();
  const admin = createAdmin(config.admin.listen, {
    modules,
    registry,
    about: () => ({
      version: AGENT_VERSION,
      deno: host.runtime.deno,
      hostname: host.hostname(),
      pid: host.pid,
      config: configPath,
      startedAt,
      uptimeSeconds: Math.round((clock.monotonic() - startedMs) / 1_000),
      residentBytes: host.memory().residentBytes,
    }),
    hostNames: [host.hostname()],
    logger: moduleLogger("admin"),
  });
  wired.push({ module: admin });

  let proxy: Proxy | undefined;
  for (const section of enabled) {
    switch (section) {
      case "proxy": {
        if (config.proxy === undefined) break;
        const { createProxy } = await import("../proxy/mod.ts");
        const { stateDir } = config;
        const random = () => host.random();
        const logger = moduleLogger("proxy");
        const credentialsDir = host.env().CREDENTIALS_DIRECTORY;
        const ports = { clock, fs, logger, registry, stateDir, random, credentialsDir };
        proxy = createProxy(config.proxy, ports);
        wired.push({ module: proxy, section });
        break;
      }
      case "snapshot": {
        if (config.snapshot === undefined) break;
        const { createSnapshot } = await import("../snapshot/mod.ts");
        const section = snapshotConfig(config, config.snapshot);
        const module = createSnapshot(section, {
          ...{ clock, fs, registry, stateDir: config.stateDir },
          exec: createExec(),
          logger: moduleLogger("snapshot"),
          hostname: () => host.hostname(),
          program: host.program,
          random: () => host.random(),
          link: linkFor(section, proxy, clock),
        });
        wired.push({ module, section: "snapshot" });
        break;
      }
      case "dns": {
        if (config.dns === undefined) break;
        const { createDns } = await import("../dns/mod.ts");
        const module = createDns(dnsConfig(config, config.dns), {
          ...{ clock, fs, registry, stateDir: config.stateDir },
          exec: createExec(),
          logger: moduleLogger("dns"),
          hostname: () => host.hostname(),
          random: () => host.random(),
          randomBytes: (length) => host.randomBytes(length),
          ...(proxy !== undefined && { onLink: onLink(proxy) }),
        });
        wired.push({ module, section: "dns" });
        break;
      }
      default:
        section satisfies never;
    }
  }
  return wired;
}

/** Starts the real proxy for the demo, with the one identity `demo`. */
export async function startDemoAgent(
  { stateDir, server, caFile, tokenFile }: DemoAgentOptions,
  ports: WirePorts,
): Promise<DemoAgent> {
  const { clock, fs, host, registry } = ports;
  const [{ createProxy }, { ProxyConfig }] = await Promise.all([
    import("../proxy/mod.ts"),
    import("../proxy/config.ts"),
  ]);
  const config = ProxyConfig.parse({
    listen: "127.0.0.1:0",
    upstream: { server, caFile },
    identities: [{ name: "demo", tokenFile }],
  });
  const random = () => host.random();
  const logger = moduleLogger("proxy");
  const proxy = createProxy(config, { clock, fs, logger, registry, stateDir, random });
  const stop = new AbortController();
  const dispose = async () => {
    stop.abort();
    await proxy[Symbol.asyncDispose]();
  };
  try {
    await proxy.start(stop.signal);
    return {
      url: proxy.url,
      caCert: await fs.readText(`${stateDir}/pki/ca.crt`),
      token: (await fs.readText(`${stateDir}/tokens/demo`)).trim(),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
