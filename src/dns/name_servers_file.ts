import { errorMessage } from "../kernel/errors.ts";
import type { Endpoint } from "../config/scalars.ts";
import { type Fs, isNotFound } from "../platform/fs.ts";
import { chooseNameservers, parseResolvConf } from "./forward/resolv_conf.ts";

/** Where the name servers are that the host's own stub asks, should `resolv.conf` name just that. */
const BEHIND_THE_STUB = [
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
];

/** What the host says of name servers. */
export interface HostNames {
  upstreams: Endpoint[];
  /** Keys. */
  search: string[];
  /** Why a file could not be read. */
  problem?: string;
}

/** The directories whose files {@linkcode readHostNames} reads. */
export function watchedDirectories(resolvConf: string): string[] {
  return [
    ...new Set([resolvConf, ...BEHIND_THE_STUB].map((path) => path.replace(/\/[^/]*$/, "") || "/")),
  ];
}

/**
 * Reads who the host asks. Never loopback addresses, nor `ours`.
 *
 * @param resolvConf the kubelet's
 */
export async function readHostNames(
  fs: Fs,
  resolvConf: string,
  ours: readonly string[],
): Promise<HostNames> {
  let problem: string | undefined;
  const read = async (path: string) => {
    try {
      return await fs.readText(path);
    } catch (error) {
      if (!isNotFound(error)) problem = errorMessage(error);
      return "";
    }
  };
  const first = await read(resolvConf);
  const texts = [first];
  for (const path of BEHIND_THE_STUB) texts.push(await read(path));
  return {
    upstreams: chooseNameservers(texts, ours).map((hostname) => ({ hostname, port: 53 })),
    search: parseResolvConf(first).search,
    ...(problem !== undefined && { problem }),
  };
}
