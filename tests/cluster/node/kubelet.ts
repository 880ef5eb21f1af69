/**
 * The kubelet on a machine.
 *
 * @module
 */

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { CONTAINERD_SOCKET } from "./containerd.ts";
import type { Machine, Service } from "./machine.ts";

/** What a kubelet is started with. */
export interface KubeletOptions {
  /** Path of the program. */
  readonly program: string;
  /** Path of its kubeconfig on the test's side; a copy is taken. Default the one it has already. */
  readonly kubeconfig?: string;
  /** The same for the one by which it asks for its first certificate, and writes its own kubeconfig. */
  readonly bootstrapKubeconfig?: string;
  /** The authority of those who may call it: the API server's client certificate. */
  readonly clientCaFile: string;
  readonly nodeName: string;
  /** Where it listens, and the node's address. */
  readonly address: string;
  /** Laid over our own settings, so it wins (`KubeletConfiguration`, kubelet.config.k8s.io/v1beta1). */
  readonly config?: Record<string, unknown>;
  readonly extraArguments?: readonly string[];
}

/** Where every kubelet listens. */
const KUBELET_PORT = 10250;

const CONFIG = "/var/lib/kubelet/config.json";
const KUBECONFIG = "/var/lib/kubelet/kubeconfig";
const BOOTSTRAP_KUBECONFIG = "/var/lib/kubelet/bootstrap.kubeconfig";
const RESOLV_CONF = "/var/lib/kubelet/resolv.conf";

/** Writes its files and starts it; whether it gets anywhere depends on the API server. */
export async function startKubelet(machine: Machine, options: KubeletOptions): Promise<Service> {
  await mkdir(machine.outside("/var/lib/kubelet"), { recursive: true });
  await writeFile(machine.outside(CONFIG), JSON.stringify(configOf(machine, options), null, 2));
  await writeFile(machine.outside(RESOLV_CONF), "nameserver 10.96.0.10\n");
  const { kubeconfig, bootstrapKubeconfig } = options;
  if (kubeconfig) await copyFile(kubeconfig, machine.outside(KUBECONFIG));
  if (bootstrapKubeconfig) {
    await copyFile(bootstrapKubeconfig, machine.outside(BOOTSTRAP_KUBECONFIG));
  }
  return machine.start("kubelet", [
    options.program,
    `--config=${CONFIG}`,
    `--kubeconfig=${KUBECONFIG}`,
    ...(bootstrapKubeconfig ? [`--bootstrap-kubeconfig=${BOOTSTRAP_KUBECONFIG}`] : []),
    `--hostname-override=${options.nodeName}`,
    `--node-ip=${options.address}`,
    "--v=2",
    ...(options.extraArguments ?? []),
  ]);
}

function configOf(machine: Machine, options: KubeletOptions): Record<string, unknown> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: options.address,
    port: KUBELET_PORT,
    // Everything else that it would listen on may be another node's on this host.
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: options.clientCaFile },
    },
    authorization: { mode: "Webhook" },
    rotateCertificates: false,
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: machine.cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    resolvConf: RESOLV_CONF,
    volumePluginDir: "/var/lib/kubelet/plugins-exec",
    // The host is not ours: no rules, and no pod goes because its disk or memory is full.
    makeIPTablesUtilChains: false,
    evictionHard: {
      "memory.available": "0%",
      "nodefs.available": "0%",
      "nodefs.inodesFree": "0%",
      "imagefs.available": "0%",
    },
    imageGCHighThresholdPercent: 100,
    ...options.config,
  };
}
