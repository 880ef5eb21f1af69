import { isNetworkName } from "./cni_names.ts";
import { readConfDir } from "./conf_dir.ts";
import { type FlannelNetwork, isOurs, planConflist, PLUGIN } from "./conflist.ts";
import { IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import { type ScratchCount, ScratchFiles } from "./scratch.ts";

/**
 * Lets the deletion of older pods come to us, so that it leaves a hold: their scratch files name our
 * plugin instead of host-local. The plugin must be installed before.
 */
export async function adopt(
  { fs, paths }: IpamPorts,
  { name, scratchDir }: FlannelNetwork,
): Promise<ScratchCount> {
  return await new ScratchFiles(fs, scratchDir ?? paths.scratch).retype(name, "host-local", PLUGIN);
}

/** Time for the runtime to notice that a config has gone, ms: it watches the folder. */
const NOTICE_MS = 2_000;

/**
 * Gives the node back to stock host-local. In an order in which a crash at any place leaves pods that
 * start and end, and a second run finishes: the plugin goes when nothing names it any more. Does not need
 * flannel's config.
 */
export async function leave(ports: IpamPorts, known?: FlannelNetwork): Promise<ScratchCount> {
  const { fs, paths, clock } = ports;
  const networks = known === undefined ? await installedNetworks(ports) : [known];
  const total: ScratchCount = { changed: 0, broken: 0 };
  const release = async () => {
    for (const network of networks) {
      const scratch = new ScratchFiles(fs, network.scratchDir ?? paths.scratch);
      const { changed, broken } = await scratch.retype(network.name, PLUGIN, "host-local");
      total.changed += changed;
      total.broken = broken;
      await removeHolds(ports, network);
    }
  };
  await release();
  const ours = (await readConfDir(fs, paths.confDir)).filter(({ name }) => isOurs(name));
  for (const { name } of ours) await fs.remove(`${paths.confDir}/${name}`);
  if (ours.length > 0) await clock.sleep(NOTICE_MS);
  // Pods that started or ended since the first time.
  await release();
  await fs.remove(`${paths.binDir}/${PLUGIN}`);
  for (const { name } of networks) await new IpamNetwork(ports, name).records.clear();
  return total;
}

/** The network that our config is of; without it, flannel's; without that, those of which there are records. */
async function installedNetworks({ fs, paths }: IpamPorts): Promise<FlannelNetwork[]> {
  const files = await readConfDir(fs, paths.confDir);
  for (const candidates of [files.filter(({ name }) => isOurs(name)), files]) {
    const plan = planConflist(candidates);
    if (plan.state !== "refused" && plan.network !== undefined) return [plan.network];
  }
  const recorded = await fs.list(paths.records).catch(() => []);
  return recorded.filter(isNetworkName).map((name) => ({ name }));
}

async function removeHolds(ports: IpamPorts, network: FlannelNetwork): Promise<void> {
  const { store } = new IpamNetwork(ports, network.name, network.dataDir);
  const lock = await lockIpam(ports);
  try {
    await store.edit(async () => {
      for (const { ip, owner } of await store.entries()) {
        // A broken one may have been a hold, and host-local would never free it.
        if (owner.kind !== "container") await store.free(ip);
      }
    });
  } finally {
    lock[Symbol.dispose]();
  }
}
