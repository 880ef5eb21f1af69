import { errorMessage } from "../../kernel/errors.ts";
import { type Fs, isNotFound } from "../../platform/fs.ts";
import { readConfDir } from "./conf_dir.ts";
import { type FlannelNetwork, planConflist, PLUGIN } from "./conflist.ts";
import type { IpamPaths } from "./ipam_paths.ts";
import { type Program, renderShim } from "./shim.ts";

/** What became of our config. */
export type ConflistOutcome =
  | { state: "written" | "unchanged"; file: string; network: FlannelNetwork }
  /** flannel's is not there, or `torn` is what a power cut left of it; `file` is ours, which stays. */
  | { state: "absent"; file?: string; network?: FlannelNetwork; torn?: string }
  | { state: "refused"; reason: string };

interface Ports {
  readonly fs: Fs;
  readonly paths: IpamPaths;
}

/**
 * Brings our config into line with flannel's: called at start and whenever the folder changed. Writes
 * only what differs. The plugin must be installed before, or no pod would start.
 */
export async function reconcileConflist({ fs, paths }: Ports): Promise<ConflistOutcome> {
  const dir = paths.confDir;
  const files = await readConfDir(fs, dir);
  const plan = planConflist(files);
  if (plan.state !== "wanted") return plan;
  const { file, text, remove, network } = plan;
  for (const folder of [network.dataDir, network.scratchDir]) {
    const reason = await whyNotUsable(fs, folder);
    if (reason !== undefined) return { state: "refused", reason };
  }
  const isThere = files.some((candidate) => candidate.name === file && candidate.text === text);
  if (!isThere) {
    // Whoever finds flannel's plugin finds ours beside it; any other runtime would start no pod.
    if (!await fs.exists(`${paths.binDir}/flannel`)) {
      return { state: "refused", reason: noFlannel(paths) };
    }
    await fs.writeAtomic(`${dir}/${file}`, text, 0o644);
  }
  for (const name of remove) await fs.remove(`${dir}/${name}`);
  return { state: isThere ? "unchanged" : "written", file, network };
}

function noFlannel({ binDir }: IpamPaths): string {
  return `the plugin flannel is not in ${binDir}: ` +
    "snapshot.ipam.binDir must be where the container runtime looks for plugins";
}

/** The binary may use certain folders only: where it can't, no pod would keep its address, nor could we leave. */
async function whyNotUsable(fs: Fs, folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  return await fs.exists(folder).then(() => undefined, errorMessage);
}

/** Installs the plugin: a script that starts `program` for `stateDir`. True when something was written. */
export async function installShim(
  { fs, paths }: Ports,
  program: Program,
  stateDir: string,
): Promise<boolean> {
  const path = `${paths.binDir}/${PLUGIN}`;
  const text = renderShim(program, stateDir);
  const found = await fs.readText(path).catch((error) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  if (found === text) {
    await fs.chmod(path, 0o755);
    return false;
  }
  if (!await fs.exists(paths.binDir)) await fs.mkdir(paths.binDir, 0o755);
  await fs.writeAtomic(path, text, 0o755);
  return true;
}
