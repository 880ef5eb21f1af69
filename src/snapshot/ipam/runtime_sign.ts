import { type Fs, isNotFound } from "../../platform/fs.ts";

/**
 * Where container runtimes listen, in memory: there from their start to the next boot. Not cri-dockerd's nor docker's own
 * sockets, on which systemd listens long before they run: neither starts a pod without a containerd.
 */
export const RUNTIME_SOCKETS: readonly string[] = [
  "/run/containerd/containerd.sock",
  "/run/docker/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/k3s/containerd/containerd.sock",
  "/run/k0s/containerd.sock",
];

/** Network namespaces that have a name: in memory, so that after a boot there is none. */
const NAMESPACES = "/run/netns";

/**
 * What runtimes call the namespace of a sandbox, wherever they listen: containerd and what is made of it
 * `cni-<UUID>`, CRI-O a UUID alone. An administrator's own ones, and podman's `netns-<UUID>`, are no pods'.
 */
const SANDBOX = /^(cni-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A path that shows that a container runtime has started since the boot; undefined when none does. */
export async function findRuntimeSign(fs: Fs): Promise<string | undefined> {
  for (const path of RUNTIME_SOCKETS) {
    if (await fs.exists(path)) return path;
  }
  const names = await fs.list(NAMESPACES).catch((error) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  // The namespace is made before ADD is called: an ADD that no book knows yet shows itself here.
  const sandbox = names.find((name) => SANDBOX.test(name));
  return sandbox && `${NAMESPACES}/${sandbox}`;
}
