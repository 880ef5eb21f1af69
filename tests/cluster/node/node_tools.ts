/**
 * The programs that a node is made of besides the kubelet, from Debian.
 *
 * @module
 */

import { installTools } from "../apt.ts";

/** Program, or path where it is not on PATH, to Debian package. */
const TOOLS = {
  containerd: "containerd",
  ctr: "containerd",
  runc: "runc",
  "/bin/busybox": "busybox-static",
  "/usr/lib/cni/ptp": "containernetworking-plugins",
  unshare: "util-linux",
  nsenter: "util-linux",
} as const;

/** Installs what is missing. */
export async function ensureNodeTools(): Promise<void> {
  await installTools(TOOLS);
}
