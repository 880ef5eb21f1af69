/**
 * Whether this machine lets us run a node on it.
 *
 * @module
 */

import { run } from "../command.ts";
import { hasNetAdmin, type NetAdmin } from "../net_admin.ts";
import { Cgroup } from "./cgroup.ts";

/** Tells whether containers can be run here besides what a cloud needs, and why not. */
export async function canRunNode(): Promise<NetAdmin> {
  const netAdmin = await hasNetAdmin();
  if (!netAdmin.ok) return netAdmin;
  try {
    // A container that is not privileged may not mount a /proc, nor make control groups.
    await run(["unshare", "--mount", "--pid", "--fork", "mount", "-t", "proc", "proc", "/proc"]);
    await using _group = await Cgroup.create(`probe-${crypto.randomUUID()}`);
    // The kubelet looks out for the kernel's words on memory that ran out.
    (await Deno.open("/dev/kmsg")).close();
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
