import { UsageError } from "../../kernel/errors.ts";
import { parseKubeconfig } from "../../kube/kubeconfig.ts";
import type { Fs } from "../../platform/fs.ts";
import type { ProxyConfig } from "../config.ts";
import type { UpstreamServer } from "./connections.ts";

/**
 * The cloud as the config names it. Its authority is read whenever connections are made anew.
 *
 * @throws {UsageError} when the config does not say where the cloud is, or its kubeconfig can't be read
 */
export async function resolveServer(
  { kubeconfig, server, caFile }: ProxyConfig["upstream"],
  fs: Fs,
): Promise<UpstreamServer> {
  const fromFile = caFile === undefined ? undefined : () => fs.readText(caFile);
  if (kubeconfig === undefined) {
    if (server === undefined) throw new UsageError("proxy.upstream needs kubeconfig or server");
    return { url: trim(server), ca: fromFile ?? (() => Promise.resolve(undefined)) };
  }
  const load = async () => parseKubeconfig(await fs.readText(kubeconfig), kubeconfig, fs);
  const loaded = await load();
  return { url: trim(server ?? loaded.server), ca: fromFile ?? (async () => (await load()).ca()) };
}

function trim(url: string): string {
  return url.replace(/\/+$/, "");
}
