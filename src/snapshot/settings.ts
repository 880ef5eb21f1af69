import { type Exec, ProgramError } from "../platform/exec.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { VxlanLink } from "./model.ts";

/**
 * Kernel settings without which pods are cut off: they only let packets pass, and a reboot switches off those that
 * no file of the host sets. Any other setting is its administrator's.
 */
export const SYSCTLS = [
  "net.ipv4.ip_forward",
  "net.ipv6.conf.all.forwarding",
  "net.bridge.bridge-nf-call-iptables",
  "net.bridge.bridge-nf-call-ip6tables",
] as const;

/** Kernel settings and modules, as a snapshot holds them. */
export interface Settings {
  sysctls: Readonly<Record<string, string>>;
  modules: readonly string[];
}

/**
 * What to keep of settings that are seen, beside those kept before. A boot sets them back, and whoever makes them
 * may come late: what pods need is not given up for that.
 *
 * @param isUp whether the cluster is there, and with it whoever sets them
 */
export function nextSettings(
  former: Settings,
  seen: Settings,
  isUp: boolean,
): { sysctls: Record<string, string>; modules: string[] } {
  const sysctls: Record<string, string> = {};
  for (const name of SYSCTLS) {
    const [before, now] = [former.sysctls[name], seen.sysctls[name]];
    const value = !isUp && before === "1" ? before : now ?? before;
    if (value !== undefined) sysctls[name] = value;
  }
  return { sysctls, modules: [...new Set([...former.modules, ...seen.modules])].sort() };
}

/** Kernel modules that nothing loads by itself before flanneld and kube-proxy run. */
export const MODULES = ["br_netfilter", "vxlan"] as const;

/**
 * Reads {@linkcode SYSCTLS}; those that the kernel does not have are left out.
 *
 * @throws {ProgramError} when `sysctl` can't be run or reads none
 */
export async function readSysctls(exec: Exec): Promise<Record<string, string>> {
  // Without -e it would fail for the first one that is not there (br_netfilter not loaded).
  const { code, stdout, stderr } = await exec.run(["sysctl", "-e", ...SYSCTLS]);
  if (code !== 0 && stdout === "") throw new ProgramError("sysctl", stderr.trim());
  return Object.fromEntries(
    stdout.split("\n").flatMap((line) => {
      const match = /^([\w.\/-]+) = (.*)$/.exec(line.trim());
      return match === null ? [] : [[match[1]!, match[2]!]];
    }),
  );
}

/** Reads which of {@linkcode MODULES} are loaded; what is built into the kernel is not. */
export async function readModules(exec: Exec): Promise<string[]> {
  // Not read as a file: the runtime opens /proc only to programs that may do everything.
  const { code, stdout } = await exec.run(["cat", "/proc/modules"]);
  if (code !== 0) return [];
  const loaded = new Set(stdout.split("\n").map((line) => line.split(" ", 1)[0]));
  return MODULES.filter((name) => loaded.has(name));
}

/**
 * Reads whether a device computes checksums of what it carries; undefined where `ethtool` is not there. It is
 * switched off by hand where a network card's own offload breaks vxlan (flannel#1279).
 */
export async function readTxChecksum(exec: Exec, link: string): Promise<boolean | undefined> {
  try {
    const { stdout } = await exec.run(["ethtool", "-k", link]);
    const match = /^\s*tx-checksum-ip-generic: (on|off)/m.exec(stdout);
    return match === null ? undefined : match[1] === "on";
  } catch (error) {
    if (error instanceof ProgramError) return undefined;
    throw error;
  }
}

/** What was set, as commands, and what could not be. */
export interface SettingsOutcome {
  done: string[];
  complaints: string[];
}

/**
 * The commands that load modules which are missing now, and switch on what was on and is off. What a module brings
 * is not known before.
 */
export async function planSettings(exec: Exec, saved: Settings): Promise<string[][]> {
  const loaded = await readModules(exec).catch((): string[] => []);
  return [
    ...saved.modules.filter((name) => !loaded.includes(name)).map((name) => ["modprobe", name]),
    ...await planSysctls(exec, saved),
  ];
}

async function planSysctls(exec: Exec, { sysctls }: Settings): Promise<string[][]> {
  // Where they can't be read, the try to set them says why.
  const current = await readSysctls(exec).catch(() => undefined);
  return SYSCTLS.filter((name) => sysctls[name] === "1" && (!current || current[name] === "0"))
    .map((name) => ["sysctl", "-q", "-w", `${name}=1`]);
}

/** Loads modules and switches on what is off; what fails is told and hinders nothing. */
export async function restoreSettings(exec: Exec, saved: Settings): Promise<SettingsOutcome> {
  const outcome: SettingsOutcome = { done: [], complaints: [] };
  const planned = await planSettings(exec, saved);
  for (const argv of planned) if (argv[0] === "modprobe") await attempt(exec, argv, outcome);
  // Afterwards: a module brings its own settings.
  for (const argv of await planSysctls(exec, saved)) await attempt(exec, argv, outcome);
  return outcome;
}

/** Gives devices their checksum setting back where it is known and differs. */
export async function restoreChecksums(
  exec: Exec,
  links: readonly Pick<VxlanLink, "name" | "txChecksum">[],
): Promise<SettingsOutcome> {
  const outcome: SettingsOutcome = { done: [], complaints: [] };
  for (const { name, txChecksum } of links) {
    if (txChecksum === undefined || await readTxChecksum(exec, name) === txChecksum) continue;
    const value = txChecksum ? "on" : "off";
    await attempt(exec, ["ethtool", "-K", name, "tx-checksum-ip-generic", value], outcome);
  }
  return outcome;
}

async function attempt(
  exec: Exec,
  argv: readonly string[],
  { done, complaints }: SettingsOutcome,
): Promise<void> {
  const command = argv.join(" ");
  const failure = await exec.run(argv).then(
    ({ code, stderr }) => code === 0 ? undefined : stderr.trim() || `code ${code}`,
    errorMessage,
  );
  if (failure === undefined) done.push(command);
  else complaints.push(`${command}: ${failure}`);
}
