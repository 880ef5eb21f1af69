/**
 * containerd on a machine, with a network for pods.
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../poll.ts";
import { IMAGE, writeImage } from "./image.ts";
import type { Machine, Service } from "./machine.ts";

/** Where the kubelet finds it. */
export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";

const CONFIG = "/var/lib/containerd.toml";
const NETWORK_FOLDER = "/var/lib/cni/conf";
const IMAGE_FILE = "/var/lib/image.tar";

/**
 * The snapshotter copies instead of using overlayfs, which can't be had twice on top of itself, as on a
 * build machine that is a container.
 */
const SNAPSHOTTER = "native";

/** Writes its files to a machine's disk, before the first boot. */
export async function installContainerd(machine: Machine, podSubnet: string): Promise<void> {
  const networks = machine.outside(NETWORK_FOLDER);
  await mkdir(networks, { recursive: true });
  await writeFile(machine.outside(CONFIG), configText());
  await writeFile(join(networks, "10-pods.conflist"), networkText(podSubnet));
  await writeImage(machine.outside(IMAGE_FILE));
}

/** Starts it and waits until it serves the image. */
export async function startContainerd(machine: Machine): Promise<Service> {
  const service = machine.start("containerd", ["containerd", "--config", CONFIG]);
  const ctr = ["ctr", "--namespace", "k8s.io"];
  try {
    await until("containerd to be ready", async () => {
      service.assertRunning();
      const { stdout } = await machine.run([...ctr, "plugins", "ls", "id==cri"]);
      return /\bcri\s.*\bok\b/.test(stdout);
    }, { timeoutMs: 60_000 });
    const { stdout: images } = await machine.run([...ctr, "images", "ls", "-q"]);
    if (!images.includes(IMAGE)) {
      await machine.run([...ctr, "images", "import", "--snapshotter", SNAPSHOTTER, IMAGE_FILE]);
    }
  } catch (cause) {
    throw new Error(`Cannot start containerd: ${cause}\n${await service.tail()}`, { cause });
  }
  return service;
}

function configText(): string {
  return `version = 2
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  stream_server_address = "127.0.0.1"
  # Below our own score takes CAP_SYS_RESOURCE, which root of a virtual machine may lack.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${SNAPSHOTTER}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${NETWORK_FOLDER}"
`;
}

/** A cable to each pod and a range of addresses on the disk; no bridge that would need a name. */
function networkText(subnet: string): string {
  return JSON.stringify({
    cniVersion: "0.4.0",
    name: "pods",
    plugins: [{ type: "ptp", ipam: { type: "host-local", ranges: [[{ subnet }]] } }],
  });
}
