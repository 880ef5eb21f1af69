import type { Exec } from "../platform/exec.ts";
import type { Fs } from "../platform/fs.ts";
import type { NodeIdentity } from "./snapshot_file.ts";

/** `metadata.name` of this node's Node: as the kubelet makes it of the host name, unless configured. */
export function nodeNameOf(
  { nodeName }: { nodeName?: string | undefined },
  hostname: () => string,
): string {
  return nodeName ?? hostname().trim().toLowerCase();
}

/** Whose network this is: the node's name, and the machine's own. */
export async function readNodeIdentity(fs: Fs, nodeName: string): Promise<NodeIdentity> {
  const machineId = await fs.readText("/etc/machine-id").catch(() => "");
  return { name: nodeName, machineId: machineId.trim() };
}

/** The id of this boot; empty where it is not to be had. */
export async function readBootId(exec: Exec): Promise<string> {
  // Not read as a file: the runtime opens /proc only to programs that may do everything.
  const read = exec.run(["cat", "/proc/sys/kernel/random/boot_id"]);
  // It is for people: no reason to go without a network, or without the other modules.
  return await read.then(({ code, stdout }) => code === 0 ? stdout.trim() : "", () => "");
}
