/**
 * What the compiled binary may do, as data: each entry says why it is there, and what is not here is
 * refused by the runtime whatever the code tries.
 *
 * @module
 */

/** One thing that the binary may do. */
export interface Permission {
  readonly allow: "net" | "read" | "write" | "env" | "sys" | "run";
  /** Path, variable, call or program; without it the whole kind is allowed. */
  readonly what?: string;
  readonly why: string;
  /** A path that moves with `--prefix`. */
  readonly moves?: true;
}

/**
 * The narrowest set that works. `--allow-ffi` and `--allow-import` are absent on purpose, and so is a
 * `--allow-run` of anything but programs named here.
 */
export const PERMISSIONS: readonly Permission[] = [
  { allow: "net", why: "listeners and the cloud: their addresses are known only from the config" },
  {
    allow: "read",
    what: "/etc/edge-agent",
    moves: true,
    why: "config, and credentials kept by it",
  },
  { allow: "read", what: "/etc/kubernetes", why: "kubelet.conf, bootstrap and cluster CA" },
  { allow: "read", what: "/var/lib/kubelet/pki", why: "the kubelet's client certificate" },
  { allow: "read", what: "/var/lib/edge-agent", moves: true, why: "state" },
  { allow: "write", what: "/var/lib/edge-agent", moves: true, why: "state" },
  { allow: "read", what: "/tmp", why: "demo: its embedded cloud and its state" },
  { allow: "write", what: "/tmp", why: "demo: its embedded cloud and its state" },
  { allow: "read", what: "/run/credentials", why: "systemd's credential cache-key" },
  { allow: "read", what: "/var/lib/cni", why: "ipam: addresses, and libcni's cache of results" },
  { allow: "write", what: "/var/lib/cni", why: "ipam: holds, orphans, flannel's scratch files" },
  { allow: "read", what: "/etc/cni/net.d", why: "ipam: flannel's config, from which ours is made" },
  { allow: "write", what: "/etc/cni/net.d", why: "ipam: the config that names our plugin" },
  { allow: "read", what: "/opt/cni/bin", why: "ipam: whether the plugin is installed" },
  { allow: "write", what: "/opt/cni/bin", why: "ipam: installs the plugin, a shell script" },
  { allow: "read", what: "/run/edge-agent", why: "ipam: the lock between plugins" },
  { allow: "write", what: "/run/edge-agent", why: "ipam: the lock between plugins" },
  {
    allow: "read",
    what: "/run/netns",
    why: "ipam: whether a container is gone, or a container runtime has started",
  },
  { allow: "read", what: "/var/run/netns", why: "ipam: the same, as runtimes spell it" },
  { allow: "read", what: "/run/flannel", why: "snapshot: subnet.env, which flanneld writes" },
  { allow: "write", what: "/run/flannel", why: "snapshot: puts subnet.env back" },
  {
    allow: "read",
    what: "/run/containerd",
    why: "snapshot: whether a container runtime has started",
  },
  { allow: "read", what: "/run/crio", why: "snapshot: the same of CRI-O" },
  { allow: "read", what: "/run/k3s", why: "snapshot: the same of k3s" },
  { allow: "read", what: "/run/docker/containerd", why: "snapshot: the same of docker" },
  { allow: "read", what: "/run/k0s", why: "snapshot: the same of k0s" },
  { allow: "read", what: "/etc/machine-id", why: "snapshot: whether a snapshot is this machine's" },
  { allow: "read", what: "/etc/resolv.conf", why: "dns: who is asked what is not the cluster's" },
  { allow: "read", what: "/run/systemd/resolve", why: "dns: whom the host's stub asks" },
  { allow: "read", what: "/run/NetworkManager", why: "dns: the same of NetworkManager" },
  { allow: "run", what: "ip", why: "snapshot: devices, neighbours and routes" },
  { allow: "run", what: "bridge", why: "snapshot: the FDB of flannel's devices" },
  { allow: "run", what: "sysctl", why: "snapshot: kernel settings, which the runtime won't read" },
  { allow: "run", what: "cat", why: "snapshot: files of /proc, which the runtime won't read" },
  { allow: "run", what: "modprobe", why: "snapshot: br_netfilter, which nothing else loads" },
  { allow: "run", what: "ethtool", why: "snapshot: the checksum setting of flannel's devices" },
  { allow: "run", what: "host-local", why: "ipam: the stock plugin that allocates" },
  { allow: "env", what: "CNI_*", why: "ipam: how a runtime tells what it wants" },
  { allow: "env", what: "EDGE_AGENT_*", why: "overrides of the config" },
  { allow: "env", what: "CREDENTIALS_DIRECTORY", why: "where systemd put the credentials" },
  { allow: "sys", what: "hostname", why: "the default name of the node" },
];

/** Paths that a build gets besides the usual ones. */
export interface ExtraPaths {
  /** Absolute folder under which the files that move are installed. */
  readonly prefix?: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** The permissions of one build: the table, its paths under the prefix, and the extra paths. */
export function permissionsOf(extra: ExtraPaths): Permission[] {
  const { prefix, read, write } = extra;
  const moved = prefix === undefined ? [] : PERMISSIONS.filter((entry) => entry.moves).map(
    (entry): Permission => ({ ...entry, what: prefix + entry.what }),
  );
  return [
    ...PERMISSIONS,
    ...moved,
    ...read.map((what): Permission => ({ allow: "read", what, why: "--read" })),
    ...write.map((what): Permission => ({ allow: "write", what, why: "--write" })),
  ];
}

/**
 * The command line flags for `permissions`. `--ignore-env` makes every other variable look unset:
 * packages that glance at one must not fail, and must not see it either.
 */
export function toFlags(permissions: readonly Permission[]): string[] {
  const values = new Map<string, Set<string> | undefined>();
  for (const { allow, what } of permissions) {
    if (what === undefined) values.set(allow, undefined);
    else if (!values.has(allow)) values.set(allow, new Set([what]));
    else values.get(allow)?.add(what);
  }
  const flags = ["--no-prompt", "--ignore-env"];
  for (const [allow, what] of values) {
    flags.push(what === undefined ? `--allow-${allow}` : `--allow-${allow}=${[...what].join(",")}`);
  }
  return flags;
}
