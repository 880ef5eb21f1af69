/** Where everything that concerns addresses is. */
export interface IpamPaths {
  /** Held over every change of holds, and over host-local's run. In memory: a lock ends with the boot. */
  readonly lock: string;
  /** A folder per network with a record per pod. */
  readonly records: string;
  /** host-local's own: a folder per network with a file per address. */
  readonly networks: string;
  /** libcni's cache: a file per container and interface. Of these folders those count that are there. */
  readonly results: readonly string[];
  /** flannel CNI's own: a file per container with the config it handed on. */
  readonly scratch: string;
  /** The saved network, with the pod table. */
  readonly snapshot: string;
  /** Configs of networks: the runtime takes the first. */
  readonly confDir: string;
  /** CNI plugins. */
  readonly binDir: string;
}

/**
 * Where libcni keeps results: below its own folder (containerd, CRI-O), or below what cri-dockerd, dockershim and
 * KubeEdge's edged tell it with `--cni-cache-dir`, by default.
 */
export const RESULT_FOLDERS: readonly string[] = [
  "/var/lib/cni/results",
  "/var/lib/cni/cache/results",
];

/** Where the agent keeps what must outlive a boot, unless its config says otherwise. */
const STATE_DIR = "/var/lib/edge-agent";

/**
 * The paths on a node; `root` moves all but those that host-local, a program of its own, knows by itself. `stateDir`
 * is the agent's.
 */
export function ipamPaths(root = "", stateDir: string = STATE_DIR): IpamPaths {
  return {
    lock: `${root}/run/edge-agent/ipam.lock`,
    records: `${root}${stateDir}/ipam`,
    networks: "/var/lib/cni/networks",
    results: RESULT_FOLDERS.map((folder) => root + folder),
    scratch: `${root}/var/lib/cni/flannel`,
    snapshot: `${root}${stateDir}/network.json`,
    confDir: `${root}/etc/cni/net.d`,
    binDir: `${root}/opt/cni/bin`,
  };
}

/** host-local's folder for a network. */
export function storeOf(paths: IpamPaths, network: string, dataDir?: string): string {
  return `${dataDir ?? paths.networks}/${network}`;
}
