import { buildCommand, buildRouteMap } from "@stricli/core";
import type { AgentContext, ConfigFlags, Output } from "./context.ts";

/** Repeated here, as the file that has it loads the log library, and `version` must not. */
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

const text = (value: string) => value;

const CONFIG_FLAGS = {
  config: {
    kind: "parsed",
    parse: text,
    optional: true,
    placeholder: "file",
    brief: "Configuration file (default /etc/edge-agent/config.yaml; env EDGE_AGENT_CONFIG)",
  },
  logLevel: {
    kind: "enum",
    values: LOG_LEVELS,
    optional: true,
    brief: "Overrides log.level; debug also shows where an error came from",
  },
  root: {
    kind: "parsed",
    parse: text,
    optional: true,
    placeholder: "dir",
    brief: "Directory below which every path of the host is looked up (env EDGE_AGENT_ROOT)",
  },
} as const;

const OUTPUT_FLAG = {
  kind: "enum",
  values: ["text", "json"],
  default: "text",
  brief: "Form of the result",
} as const;

interface OutputFlags {
  output: Output;
}

const run = buildCommand<ConfigFlags, [], AgentContext>({
  loader: async () => (await import("./run_agent.ts")).runCommand,
  parameters: { flags: CONFIG_FLAGS },
  docs: {
    brief: "Run every module that the configuration enables",
    fullDescription:
      "Runs until SIGTERM or SIGINT, which give open requests 5 s; a second one ends it at once. " +
      "SIGHUP reads the configuration again and keeps the old one if the new one has errors.",
  },
});

const proxy = buildCommand<ConfigFlags, [], AgentContext>({
  loader: async () => (await import("./run_agent.ts")).proxyCommand,
  parameters: { flags: CONFIG_FLAGS },
  docs: { brief: "Run the proxy alone: the kube-apiserver of this node's clients" },
});

const dns = buildCommand<ConfigFlags & { explain?: string }, [string?], AgentContext>({
  loader: async () => (await import("./dns_command.ts")).dnsCommand,
  parameters: {
    flags: {
      ...CONFIG_FLAGS,
      explain: {
        kind: "parsed",
        parse: text,
        optional: true,
        placeholder: "name",
        brief: "Ask the running server why it answers a name as it does",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: text,
          optional: true,
          placeholder: "type",
          brief: "With --explain: A, AAAA, SRV, …",
        },
      ],
    },
  },
  docs: { brief: "Run the name server alone, or have the running one explain an answer" },
});

const demo = buildCommand<Record<never, never>, [], AgentContext>({
  loader: async () => (await import("./demo_command.ts")).demoCommand,
  parameters: { flags: {} },
  docs: {
    brief: "Show the whole story on this machine, without a cluster and without root",
  },
});

const check = buildCommand<ConfigFlags & OutputFlags, [], AgentContext>({
  loader: async () => (await import("./config_commands.ts")).checkCommand,
  parameters: { flags: { ...CONFIG_FLAGS, output: OUTPUT_FLAG } },
  docs: { brief: "Tell everything that is wrong with the configuration; exit 2 if anything is" },
});

const print = buildCommand<ConfigFlags & { output: "yaml" | "json" }, [], AgentContext>({
  loader: async () => (await import("./config_commands.ts")).printCommand,
  parameters: {
    flags: {
      ...CONFIG_FLAGS,
      output: { ...OUTPUT_FLAG, values: ["yaml", "json"], default: "yaml" },
    },
  },
  docs: { brief: "Print the configuration in effect: file, environment, flags and defaults" },
});

const SNAPSHOT_FLAGS = { ...CONFIG_FLAGS, output: OUTPUT_FLAG };

const snapshot = buildRouteMap<string, AgentContext>({
  routes: {
    run: buildCommand<ConfigFlags, [], AgentContext>({
      loader: async () => (await import("./run_agent.ts")).snapshotCommand,
      parameters: { flags: CONFIG_FLAGS },
      docs: { brief: "Run that module alone: keep the network on disk, and as it was" },
    }),
    save: buildCommand<ConfigFlags & OutputFlags, [], AgentContext>({
      loader: async () => (await import("./snapshot_commands.ts")).saveCommand,
      parameters: { flags: SNAPSHOT_FLAGS },
      docs: { brief: "Take a snapshot now; exit 1 when the network is not as it should be" },
    }),
    restore: buildCommand<ConfigFlags & OutputFlags & { dryRun: boolean }, [], AgentContext>({
      loader: async () => (await import("./snapshot_commands.ts")).restoreCommand,
      parameters: {
        flags: {
          ...SNAPSHOT_FLAGS,
          dryRun: { kind: "boolean", default: false, brief: "Only show what would be done" },
        },
      },
      docs: {
        brief: "Put the network back as it was kept last",
        fullDescription:
          "Puts flannel's devices, neighbours, FDB and routes back as they were kept " +
          "last, writes subnet.env, and frees addresses of pods that are lost. Run at boot, before " +
          "the container runtime; harmless at any other time. What can't be done yet is done by " +
          '"edge-agent run" later.',
      },
    }),
    show: buildCommand<ConfigFlags & OutputFlags, [], AgentContext>({
      loader: async () => (await import("./snapshot_commands.ts")).showCommand,
      parameters: { flags: SNAPSHOT_FLAGS },
      docs: { brief: "Show what was kept last" },
    }),
    leave: buildCommand<ConfigFlags & OutputFlags, [], AgentContext>({
      loader: async () => (await import("./snapshot_commands.ts")).leaveCommand,
      parameters: { flags: SNAPSHOT_FLAGS },
      docs: {
        brief: "Give pods' addresses back to host-local alone: before the agent is removed",
      },
    }),
  },
  docs: { brief: "Keep the node's network over a reboot" },
});

const version = buildCommand<OutputFlags, [], AgentContext>({
  loader: async () => (await import("./version_command.ts")).versionCommand,
  parameters: { flags: { output: OUTPUT_FLAG } },
  docs: { brief: "Print the versions of the agent and of its runtime" },
});

/** Every command. Each loads its code when it is run. */
export const routes = buildRouteMap<string, AgentContext>({
  routes: {
    run,
    proxy,
    snapshot,
    dns,
    demo,
    config: buildRouteMap<string, AgentContext>({
      routes: { check, print },
      docs: { brief: "Check or print the configuration" },
    }),
    version,
  },
  docs: {
    brief: "Keeps a Kubernetes edge node working while the cloud is out of reach",
    fullDescription: "Keeps a Kubernetes edge node working while the cloud is out of reach.\n\n" +
      "Every value of the configuration can be given by a variable named after its path " +
      "(proxy.upstream.server: EDGE_AGENT_PROXY_UPSTREAM_SERVER). Exit codes: 0 done, 1 failed, " +
      "2 wrong usage or configuration.",
  },
});
