/**
 * The identities of a cluster: one authority, its server, and its users with a kubeconfig each.
 *
 * @module
 */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Authority, type CertFiles } from "./certs.ts";
import { API_PORT, API_SERVICE_ADDRESS } from "./command_lines.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import type { CloudNetwork } from "./netns.ts";

/** A user's certificate and kubeconfig. */
export interface User {
  readonly certFiles: CertFiles;
  /** Path of a kubeconfig whose server is reached over the link. */
  readonly kubeconfig: string;
}

/** All files that a cluster starts with. */
export interface Credentials {
  readonly ca: CertFiles;
  readonly serving: CertFiles;
  /** Who the API server is to kubelets. */
  readonly kubeletClient: CertFiles;
  readonly tokenKeys: { readonly privateKey: string; readonly publicKey: string };
  readonly admin: User;
  readonly node: User;
  /** The administrator's kubeconfig by the back door. */
  readonly backdoorKubeconfig: string;
  readonly controllerManagerKubeconfig: string;
  /** Creates a further user. */
  addUser(name: string, groups?: readonly string[]): Promise<User>;
}

/** Creates all files in the network's folder. */
export async function createCredentials(network: CloudNetwork): Promise<Credentials> {
  const folder = join(network.folder, "pki");
  await mkdir(folder, { mode: 0o700 });
  const authority = await Authority.create(folder);
  const ca = authority.files;
  const configure = (path: string, address: string, user: string, certFiles: CertFiles) =>
    writeKubeconfig({
      path: join(network.folder, `${path}.kubeconfig`),
      server: `https://${address}:${API_PORT}`,
      caFile: ca.cert,
      user,
      certFiles,
    });
  const addUser = async (name: string, groups: readonly string[] = [], file = fileOf(name)) => {
    const certFiles = await authority.issue({ file, commonName: name, organizations: groups });
    const kubeconfig = await configure(file, network.link.cloudAddress, name, certFiles);
    return { certFiles, kubeconfig };
  };
  const controllerManager = "system:kube-controller-manager";
  const [tokenKeys, serving, kubeletClient, admin, node, controllerManagerCert] = await Promise.all(
    [
      authority.createTokenKeys(),
      authority.issue({
        file: "apiserver",
        commonName: "kube-apiserver",
        subjectAltNames: servingNames(network),
      }),
      authority.issue({
        file: "apiserver-kubelet-client",
        commonName: "kube-apiserver-kubelet-client",
        organizations: ["system:masters"],
      }),
      addUser("kubernetes-admin", ["system:masters"], "admin"),
      addUser("system:node:edge-1", ["system:nodes"], "node"),
      authority.issue({ file: "controller-manager", commonName: controllerManager }),
    ],
  );
  const back = network.backdoor.cloudAddress;
  const backdoorKubeconfig = await configure("backdoor", back, "kubernetes-admin", admin.certFiles);
  const controllerManagerKubeconfig = await configure(
    "controller-manager",
    "127.0.0.1",
    controllerManager,
    controllerManagerCert,
  );
  return {
    ...{ ca, serving, kubeletClient, tokenKeys, admin, node, addUser },
    ...{ backdoorKubeconfig, controllerManagerKubeconfig },
  };
}

function servingNames({ link, backdoor }: CloudNetwork): string[] {
  const service = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
  return [
    "DNS:localhost",
    ...service.map((suffix) => `DNS:kubernetes${suffix}`),
    ...["127.0.0.1", API_SERVICE_ADDRESS, link.cloudAddress, backdoor.cloudAddress]
      .map((address) => `IP:${address}`),
  ];
}

function fileOf(user: string): string {
  return `user-${user.replaceAll(/[^\w.-]/g, "-")}`;
}
