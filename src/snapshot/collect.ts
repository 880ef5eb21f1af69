import { containsNetwork, parseCidr } from "../config/cidr.ts";
import { errorMessage } from "../kernel/errors.ts";
import type { Exec } from "../platform/exec.ts";
import { type Fs, isNotFound } from "../platform/fs.ts";
import { RESULT_FOLDERS } from "./ipam/ipam_paths.ts";
import { readKernelState } from "./kernel_state.ts";
import {
  isFlannelLink,
  type KernelState,
  type Network,
  type Peer,
  type Route,
  type SavedFile,
  type Underlay,
  type VxlanLink,
} from "./model.ts";
import { collectPods } from "./pods.ts";
import { readModules, readSysctls, readTxChecksum } from "./settings.ts";
import { parseSubnetEnv, type SubnetEnv } from "./subnet_env.ts";

/** Where the parts of a network lie on a host. */
export interface NetworkPaths {
  /** `/run/flannel/subnet.env`. */
  subnetEnv: string;
  /** `/etc/cni/net.d`. */
  cniConfDir: string;
  /** libcni's caches of results: those count that are there. */
  results: readonly string[];
}

/** Where flannel, libcni and the container runtimes keep them. */
export const NETWORK_PATHS: NetworkPaths = {
  subnetEnv: "/run/flannel/subnet.env",
  cniConfDir: "/etc/cni/net.d",
  results: RESULT_FOLDERS,
};

/** A network as it is now. */
export interface Observation {
  network: Network;
  kernel: KernelState;
  /** What could not be read, and why: that part of the network is missing, not empty. */
  missing: Partial<Record<keyof Network, string>>;
}

/** Bigger CNI configs are no configs. */
const MAX_FILE_BYTES = 64 * 1024;

/**
 * Reads the node's network as flannel and the CNI plugins made it. Nothing is changed. Each part fails alone,
 * but for the kernel's: without it there is nothing to tell.
 *
 * @throws {ProgramError} when `ip` or `bridge` can't be run
 */
export async function collect(
  exec: Exec,
  fs: Fs,
  paths: NetworkPaths = NETWORK_PATHS,
): Promise<Observation> {
  const missing: Observation["missing"] = {};
  const attempt = async <T>(part: keyof Network, read: () => Promise<T>, otherwise: T) => {
    try {
      return await read();
    } catch (error) {
      missing[part] = errorMessage(error);
      return otherwise;
    }
  };
  const [kernel, subnetEnv, files, pods, sysctls, modules] = await Promise.all([
    readKernelState(exec),
    attempt("subnetEnv", () => readIfThere(fs, paths.subnetEnv), undefined),
    attempt("files", () => readConfigs(fs, paths.cniConfDir), []),
    attempt("pods", () => collectPods(fs, paths.results), []),
    attempt("sysctls", () => readSysctls(exec), {}),
    attempt("modules", () => readModules(exec), []),
  ]);
  const links: VxlanLink[] = [];
  for (const { up: _, ...link } of kernel.links.filter(({ name }) => isFlannelLink(name))) {
    links.push({ ...link, txChecksum: await readTxChecksum(exec, link.name) });
  }
  const env = readEnv(subnetEnv, (why) => missing.subnetEnv = why);
  const peers = peersOf(kernel, (route) => isDirect(route, env));
  const network: Network = {
    underlays: underlaysOf(kernel, links, peers),
    links,
    peers,
    ...(env !== undefined && { subnetEnv }),
    podCidrs: [],
    files,
    bridges: bridgesOf(kernel),
    sysctls,
    modules,
    pods,
  };
  return { network, kernel, missing };
}

function readEnv(
  text: string | undefined,
  broken: (why: string) => void,
): SubnetEnv | undefined {
  if (text === undefined) return undefined;
  try {
    return parseSubnetEnv(text);
  } catch (error) {
    broken(errorMessage(error));
    return undefined;
  }
}

async function readIfThere(fs: Fs, path: string): Promise<string | undefined> {
  try {
    return await fs.readText(path);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function readConfigs(fs: Fs, directory: string): Promise<SavedFile[]> {
  const names = await fs.list(directory).catch((error) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  const files: SavedFile[] = [];
  for (const name of names.filter((each) => /\.conf(list)?$/.test(each))) {
    const path = `${directory}/${name}`;
    const text = await readIfThere(fs, path);
    if (text !== undefined && text.length <= MAX_FILE_BYTES) files.push({ path, text });
  }
  return files;
}

/**
 * The peers that a kernel knows: routes over flannel's devices with their neighbour and FDB entries, and
 * routes past them. What is not whole is not there.
 *
 * @param isDirect whether a route past flannel's devices leads to a peer
 */
export function peersOf(kernel: KernelState, isDirect: (route: Route) => boolean): Peer[] {
  const neighbours = new Map(
    kernel.neighbours.map(({ link, address, mac }) => [`${link} ${address}`, mac]),
  );
  const endpoints = new Map(
    kernel.fdb.map(({ link, mac, endpoint }) => [`${link} ${mac}`, endpoint]),
  );
  const peers = kernel.routes.flatMap((route): Peer[] => {
    const { subnet, gateway, link } = route;
    if (!isFlannelLink(link)) {
      return isDirect(route) ? [{ kind: "direct", ...hopOf(route) }] : [];
    }
    const mac = neighbours.get(`${link} ${gateway}`);
    const endpoint = mac === undefined ? undefined : endpoints.get(`${link} ${mac}`);
    if (mac === undefined || endpoint === undefined) return [];
    return [{ kind: "vxlan", subnet, link, gateway, mac, endpoint }];
  });
  return peers.sort((a, b) => a.subnet < b.subnet ? -1 : 1);
}

function hopOf({ subnet, gateway, link }: Route): Pick<Route, "subnet" | "gateway" | "link"> {
  return { subnet, gateway, link };
}

/** Whether a route past vxlan leads to other pods of the cluster. */
export function isDirect({ subnet, protocol, link }: Route, env: SubnetEnv | undefined): boolean {
  if (env === undefined || protocol === "kernel" || /^(cni|veth|docker)/.test(link)) return false;
  const network = parseCidr(subnet, { hostBits: "ignored" });
  return env.networks.some((each) => containsNetwork(each, network)) &&
    !env.subnets.some((each) => containsNetwork(each, network));
}

function underlaysOf(
  kernel: KernelState,
  links: readonly VxlanLink[],
  peers: readonly Peer[],
): Underlay[] {
  const names = new Set([
    ...links.map(({ underlay }) => underlay),
    ...peers.flatMap(({ kind, link }) => kind === "direct" ? [link] : []),
  ]);
  return kernel.interfaces.filter(({ name }) => names.has(name))
    .map(({ name, mac, mtu }) => ({ name, mac: /^(\w\w:){5}\w\w$/.test(mac) ? mac : "", mtu }));
}

function bridgesOf({ interfaces }: KernelState): Network["bridges"] {
  return interfaces.filter(({ name, kind }) => kind === "bridge" && /^cni\d+$/.test(name)).map(
    ({ name, mac, mtu, addresses }) => ({
      ...{ name, mac, mtu },
      addresses: addresses.filter(({ scope }) => scope === "global")
        .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    }),
  );
}
