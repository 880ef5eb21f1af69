import { UnavailableError } from "../../kernel/errors.ts";
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
  return await new ScratchFiles(fs, scratchDir ?? paths.scratch).retype("host-local", PLUGIN, name);
}

/** Time for the runtime to notice that a config has gone, ms: it watches the folder. */
const NOTICE_MS = 2_000;

/**
 * Gives the node back to stock host-local. In an order in which a crash at any place leaves pods that
 * start and end, and a second run finishes: the plugin goes when nothing names it any more. Does not need
 * flannel's config.
 *
 * @throws {UnavailableError} when a running agent undoes it
 */
export async function leave(ports: IpamPorts, known?: FlannelNetwork): Promise<ScratchCount> {
  const { fs, paths, clock } = ports;
  const networks = known === undefined ? await ourNetworks(ports) : [known];
  const folders = new Set([paths.scratch, ...networks.map(({ scratchDir }) => scratchDir)]);
  const total: ScratchCount = { changed: 0, broken: 0 };
  const release = async () => {
    total.broken = 0;
    for (const folder of folders) {
      if (folder === undefined) continue;
      // Of whatever network: without the plugin none could be deleted.
      const { changed, broken } = await new ScratchFiles(fs, folder).retype(PLUGIN, "host-local");
      total.changed += changed;
      total.broken += broken;
    }
    for (const network of networks) await removeHolds(ports, network);
  };
  await release();
  const ours = (await readConfDir(fs, paths.confDir)).filter(({ name }) => isOurs(name));
  for (const { name } of ours) await fs.remove(`${paths.confDir}/${name}`);
  if (ours.length > 0) await clock.sleep(NOTICE_MS);
  // Pods that started or ended since the first time.
  await release();
  const again = (await readConfDir(fs, paths.confDir)).find(({ name }) => isOurs(name));
  if (again !== undefined) {
    throw new UnavailableError(
      `${paths.confDir}/${again.name} was written again while it was removed: stop the agent first`,
    );
  }
  await fs.remove(`${paths.binDir}/${PLUGIN}`);
  // One that took longer: it has its address or will be refused, and its deletion must not be.
  await release();
  for (const { name } of networks) await new IpamNetwork(ports, name).records.clear();
  return total;
}

/** The network that our config is of, without it flannel's; and those of which there are records. */
async function ourNetworks({ fs, paths }: IpamPorts): Promise<FlannelNetwork[]> {
  const files = await readConfDir(fs, paths.confDir);
  const installed = [files.filter(({ name }) => isOurs(name)), files].map(planConflist)
    .map((plan) => plan.state === "refused" ? undefined : plan.network)
    .find((network) => network !== undefined);
  const recorded = (await fs.list(paths.records).catch(() => []))
    .filter((name) => isNetworkName(name) && name !== installed?.name)
    .map((name) => ({ ...installed, name }));
  return [...installed === undefined ? [] : [installed], ...recorded];
}

async function removeHolds(ports: IpamPorts, network: FlannelNetwork): Promise<void> {
  const { store } = new IpamNetwork(ports, network.name, network.dataDir);
  const lock = await lockIpam(ports);
  try {
    await store.edit(async () => {
      for (const { ip, owner } of await store.entries()) {
        // A broken one may have been a hold, and host-local would never free it.
        if (owner.kind === "hold" || owner.kind === "broken") await store.free(ip);
      }
    });
  } finally {
    lock[Symbol.dispose]();
  }
}
