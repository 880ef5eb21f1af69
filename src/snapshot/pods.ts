import { type Fs, isNotFound } from "../platform/fs.ts";
import { parseCachedResult } from "./ipam/cached_results.ts";
import type { PodRecord } from "./model.ts";

/**
 * The pods of this node and their addresses, from libcni's caches of results, which outlive reboots: they
 * know pods that are older than the agent, and need neither API nor container runtime. Sorted by name;
 * of a pod that has several containers there, the one written last comes last.
 */
export async function collectPods(
  fs: Fs,
  resultFolders: readonly string[],
): Promise<PodRecord[]> {
  const paths = await Promise.all(resultFolders.map(async (folder) => {
    const names = await fs.list(folder).catch((error) => {
      if (isNotFound(error)) return [];
      throw error;
    });
    return names.map((name) => `${folder}/${name}`);
  }));
  const found = await Promise.all(
    paths.flat().map(async (path) => {
      // A file may go with its pod while it is read, or be torn by a power cut: it tells nothing then.
      const [text, stat] = await Promise.all([
        fs.readText(path).catch(() => ""),
        fs.stat(path).catch(() => undefined),
      ]);
      return { result: parseCachedResult(text), mtimeMs: stat?.mtimeMs ?? 0 };
    }),
  );
  return found.flatMap(({ result, mtimeMs }) => {
    if (result?.pod === undefined || result.ips.length === 0) return [];
    const { network, containerID, ifName, uid = "", ips, pod: { namespace, name } } = result;
    const pod: PodRecord = {
      ...{ network, namespace, name, uid, containerId: containerID, ifName },
      ips: [...ips],
    };
    return [{ pod, mtimeMs }];
  }).sort((a, b) => compare(keyOf(a.pod), keyOf(b.pod)) || a.mtimeMs - b.mtimeMs)
    .map(({ pod }) => pod);
}

function keyOf({ network, namespace, name }: PodRecord): string {
  return `${network}/${namespace}/${name}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
