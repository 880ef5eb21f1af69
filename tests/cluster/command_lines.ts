/**
 * The command lines of the cloud's processes, and the URLs that tell whether they work. They have the
 * namespace for themselves, so their ports are the well-known ones.
 *
 * @module
 */

import type { CertFiles } from "./certs.ts";

/** Processes that make the cloud, in the order of their start. */
export const CONTROL_PLANE = ["etcd", "kube-apiserver", "kube-controller-manager"] as const;

/** One more API server on the same etcd, for those who ask for it. */
export const SECOND_APISERVER = "kube-apiserver-2";

/** Name of one of the cloud's processes. */
export type ControlPlaneName = typeof CONTROL_PLANE[number] | typeof SECOND_APISERVER;

/** Where the API server listens. */
export const API_PORT = 6443;
/** Where the second one does. */
export const SECOND_API_PORT = 6444;
/** First address of the service range: the API server's own service. */
export const API_SERVICE_ADDRESS = "10.96.0.1";

const ETCD_PORT = 2379;
const CONTROLLER_MANAGER_PORT = 10257;

/** All that the command lines need to know. */
export interface Site {
  /** Folder for etcd's data. */
  readonly dataFolder: string;
  /** The cloud's address on the link. */
  readonly linkAddress: string;
  /** The cloud's address on the back door. */
  readonly backdoorAddress: string;
  readonly ca: CertFiles;
  readonly serving: CertFiles;
  /** Shown by the API server to kubelets. */
  readonly kubeletClient: CertFiles;
  readonly tokenKeys: { readonly privateKey: string; readonly publicKey: string };
  /** Kubeconfig of the controller manager. */
  readonly controllerManagerKubeconfig: string;
}

/** Arguments of one process. */
export function argumentsOf(name: ControlPlaneName, site: Site): string[] {
  switch (name) {
    case "etcd":
      return etcd(site);
    case "kube-apiserver":
      return apiserver(site, API_PORT);
    case "kube-apiserver-2":
      return apiserver(site, SECOND_API_PORT);
    case "kube-controller-manager":
      return controllerManager(site);
  }
  return name satisfies never;
}

/** URL that answers 200 when the process is ready for work, reached by the back door. */
export function readinessOf(name: ControlPlaneName, site: Site): string {
  const { backdoorAddress } = site;
  switch (name) {
    case "etcd":
      return `${etcdUrl(site)}/readyz`;
    case "kube-apiserver":
      return `https://${backdoorAddress}:${API_PORT}/readyz`;
    case "kube-apiserver-2":
      return `https://${backdoorAddress}:${SECOND_API_PORT}/readyz`;
    case "kube-controller-manager":
      return `https://${backdoorAddress}:${CONTROLLER_MANAGER_PORT}/healthz`;
  }
  return name satisfies never;
}

/** etcd's client URL on the back door. */
export function etcdUrl({ backdoorAddress }: Site): string {
  return `http://${backdoorAddress}:${ETCD_PORT}`;
}

function etcd(site: Site): string[] {
  const local = `http://127.0.0.1:${ETCD_PORT}`;
  const peer = "http://127.0.0.1:2380";
  return [
    "--name=cloud",
    `--data-dir=${site.dataFolder}`,
    // Never on the link: it is unprotected, and an agent must not find it.
    `--listen-client-urls=${local},${etcdUrl(site)}`,
    `--advertise-client-urls=${local}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=cloud=${peer}`,
    // The data does not outlive the test, so it need not survive a power failure.
    "--unsafe-no-fsync",
    "--quota-backend-bytes=268435456",
    "--heartbeat-interval=100",
    "--election-timeout=500",
    "--log-level=warn",
  ];
}

function apiserver(site: Site, port: number): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${ETCD_PORT}`,
    "--bind-address=0.0.0.0",
    `--secure-port=${port}`,
    `--advertise-address=${site.linkAddress}`,
    `--client-ca-file=${site.ca.cert}`,
    `--tls-cert-file=${site.serving.cert}`,
    `--tls-private-key-file=${site.serving.key}`,
    `--kubelet-client-certificate=${site.kubeletClient.cert}`,
    `--kubelet-client-key=${site.kubeletClient.key}`,
    "--kubelet-preferred-address-types=InternalIP",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${site.tokenKeys.publicKey}`,
    `--service-account-signing-key-file=${site.tokenKeys.privateKey}`,
    "--service-cluster-ip-range=10.96.0.0/12",
  ];
}

function controllerManager(site: Site): string[] {
  return [
    `--kubeconfig=${site.controllerManagerKubeconfig}`,
    "--bind-address=0.0.0.0",
    `--secure-port=${CONTROLLER_MANAGER_PORT}`,
    `--tls-cert-file=${site.serving.cert}`,
    `--tls-private-key-file=${site.serving.key}`,
    "--leader-elect=false",
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${site.tokenKeys.privateKey}`,
    `--root-ca-file=${site.ca.cert}`,
    `--cluster-signing-cert-file=${site.ca.cert}`,
    `--cluster-signing-key-file=${site.ca.key}`,
    "--allocate-node-cidrs=true",
    "--cluster-cidr=10.244.0.0/16",
    "--service-cluster-ip-range=10.96.0.0/12",
  ];
}
