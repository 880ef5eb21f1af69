import { systemClock } from "../kernel/clock.ts";
import { UnavailableError, UsageError } from "../kernel/errors.ts";
import { createExec } from "../platform/exec.ts";
import { SnapshotConfig } from "../snapshot/config.ts";
import {
  describeOnce,
  leaveOnce,
  loadOnce,
  type OncePorts,
  restoreOnce,
  saveOnce,
} from "../snapshot/once.ts";
import {
  formatChange,
  formatOrphans,
  formatReport,
  formatSnapshotTables,
} from "../snapshot/show.ts";
import { moduleLogger } from "../telemetry/logger.ts";
import type { AgentContext, ConfigFlags, Output } from "./context.ts";
import { readConfig } from "./read_config.ts";

type Flags = ConfigFlags & { output: Output };

async function open(
  { host }: AgentContext,
  flags: ConfigFlags,
  otherwise?: SnapshotConfig,
): Promise<{ section: SnapshotConfig; ports: OncePorts }> {
  const { config, path, fs } = await readConfig(flags, host);
  const section = config.snapshot ?? otherwise;
  if (section === undefined) {
    throw new UsageError(`${path} has no section "snapshot": add one, if only "snapshot: {}"`);
  }
  const ports: OncePorts = {
    fs,
    clock: systemClock,
    exec: createExec(),
    logger: moduleLogger("snapshot"),
    stateDir: config.stateDir,
    hostname: () => host.hostname(),
    program: host.program,
  };
  return { section, ports };
}

function write({ host }: AgentContext, output: Output, data: unknown, text: string): void {
  host.write("stdout", output === "json" ? JSON.stringify(data, null, 2) + "\n" : text);
}

/** `edge-agent snapshot save`. */
export async function saveCommand(this: AgentContext, flags: Flags): Promise<void> {
  const { section, ports } = await open(this, flags);
  const captured = await saveOnce(section, ports);
  if (captured.state === "degraded") {
    throw new UnavailableError(`No snapshot was taken, and a former one is kept: ${captured.why}`);
  }
  const { snapshot: { generation, network: { links, peers, pods } }, written } = captured;
  const text = written
    ? `snapshot ${generation}: ${links.length} devices, ${peers.length} peers, ${pods.length} pods\n`
    : `snapshot ${generation} holds all of it already\n`;
  write(this, flags.output, captured, text);
}

/** `edge-agent snapshot restore`. */
export async function restoreCommand(
  this: AgentContext,
  flags: Flags & { dryRun: boolean },
): Promise<void> {
  const { section, ports } = await open(this, flags);
  if (flags.dryRun) {
    const described = await describeOnce(section, ports);
    if (described === undefined) return write(this, flags.output, null, NO_SNAPSHOT);
    const { lines, changes, waiting, subnetEnv } = described;
    const text = [
      ...changes.map((change) => `# ${formatChange(change)}`),
      ...waiting.map((why) => `# not now: ${why}`),
      ...(subnetEnv.state === "written" ? ["# write /run/flannel/subnet.env"] : []),
      ...(lines.length === 0 ? ["# nothing to do"] : lines),
    ];
    return write(this, flags.output, described, text.map((line) => line + "\n").join(""));
  }
  const outcome = await restoreOnce(section, ports);
  if (outcome.state === "none") {
    return write(this, flags.output, outcome, NO_SNAPSHOT + formatOrphans(outcome.orphans));
  }
  const { snapshot, report, orphans, passedOver } = outcome;
  for (const why of passedOver) this.host.write("stderr", `edge-agent: passed over: ${why}\n`);
  write(
    this,
    flags.output,
    { report, orphans, passedOver },
    formatReport(report, orphans, snapshot.network),
  );
}

const NO_SNAPSHOT = "there is no snapshot yet: nothing to restore\n";

/** `edge-agent snapshot show`. */
export async function showCommand(this: AgentContext, flags: Flags): Promise<void> {
  const { section, ports } = await open(this, flags);
  const loaded = await loadOnce(section, ports);
  if (loaded.state === "none") throw new UnavailableError("There is no snapshot yet");
  const { snapshot, path, passedOver } = loaded;
  for (const why of passedOver) this.host.write("stderr", `edge-agent: passed over: ${why}\n`);
  write(this, flags.output, { path, ...snapshot }, formatSnapshotTables(snapshot));
}

/** `edge-agent snapshot leave`. */
export async function leaveCommand(this: AgentContext, flags: Flags): Promise<void> {
  // Whoever has taken the section out of the config before leaves all the same.
  const { section, ports } = await open(this, flags, SnapshotConfig.parse({}));
  const count = await leaveOnce(section, ports);
  const broken = count.broken === 0 ? "" : `; ${count.broken} unreadable ones were left alone`;
  const text = `pods get their addresses from host-local alone again; ` +
    `${count.changed} running pods were handed over${broken}\n`;
  write(this, flags.output, count, text);
}
