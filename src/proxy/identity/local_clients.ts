import { formatKubeconfig } from "../../kube/kubeconfig.ts";
import type { Fs } from "../../platform/fs.ts";

/** Names and addresses that clients of this node connect to. */
export function servedHosts(listenHost: string): string[] {
  return [listenHost, "127.0.0.1", "::1", "localhost"];
}

/** The URL of a TLS listener. */
export function serverUrl(hostname: string, port: number): string {
  return `https://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Writes a ready-made kubeconfig per identity (0600), so that a client needs one flag. */
export async function writeKubeconfigs(
  server: { url: string; ca: string },
  tokens: ReadonlyMap<string, string>,
  { fs, stateDir }: { fs: Fs; stateDir: string },
): Promise<void> {
  const directory = `${stateDir}/kubeconfigs`;
  await fs.mkdir(directory, 0o700);
  for (const [name, token] of tokens) {
    const text = formatKubeconfig({ server: server.url, caPem: server.ca, token, name });
    const path = `${directory}/${name}.kubeconfig`;
    // Also so that a start needs no disk that can be written.
    const known = await fs.exists(path) ? await fs.readText(path) : undefined;
    if (known !== text) await fs.writeAtomic(path, text, 0o600);
  }
}
