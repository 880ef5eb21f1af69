import { UsageError } from "../../kernel/errors.ts";
import { parseKubeconfig } from "../../kube/kubeconfig.ts";
import type { Fs } from "../../platform/fs.ts";
import type { ProxyConfig } from "../config.ts";
import type { UpstreamServer } from "./connections.ts";

/**
 * The cloud's servers as the config names them. Their authority is read whenever connections are made anew.
 *
 * @throws {UsageError} when the config does not say where the cloud is, or its kubeconfig can't be read
 */
export async function resolveServers(
  { kubeconfig, server, servers, caFile }: ProxyConfig["upstream"],
  fs: Fs,
): Promise<[UpstreamServer, ...UpstreamServer[]]> {
  const load = async (path: string) => parseKubeconfig(await fs.readText(path), path, fs);
  // Read in any case: what is wrong with it should be told at the start.
  const loaded = kubeconfig === undefined ? undefined : await load(kubeconfig);
  const first = server ?? loaded?.server;
  const [url, ...others] = new Set([first ?? [], servers].flat().map(trim));
  if (url === undefined) throw new UsageError("proxy.upstream needs kubeconfig, server or servers");
  const ca = async () => {
    if (caFile !== undefined) return await fs.readText(caFile);
    return kubeconfig === undefined ? undefined : (await load(kubeconfig)).ca();
  };
  return [{ url, ca }, ...others.map((each) => ({ url: each, ca }))];
}

function trim(url: string): string {
  return url.replace(/\/+$/, "");
}
