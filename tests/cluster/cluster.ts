/**
 * A real cloud for the tests: etcd, kube-apiserver and kube-controller-manager in a network namespace
 * of their own, with a link that can be broken.
 *
 * @module
 */

import { join } from "node:path";
import { ensureTools } from "./apt.ts";
import { Asker } from "./asker.ts";
import { buildCluster, type Built } from "./build.ts";
import type { CertFiles } from "./certs.ts";
import { CloudClient } from "./cloud_client.ts";
import type { CommandResult } from "./command.ts";
import {
  API_PORT,
  CONTROL_PLANE,
  type ControlPlaneName,
  etcdUrl,
  SECOND_API_PORT,
} from "./command_lines.ts";
import { ControlPlane } from "./control_plane.ts";
import { createCredentials, type Credentials, type User } from "./credentials.ts";
import { compactNow } from "./etcd.ts";
import { Informer, type InformerFlags } from "./informer.ts";
import { type KubectlOptions, runKubectl } from "./kubectl.ts";
import { Link } from "./link.ts";
import { cleanupStale, type CloudNetwork, createNetwork } from "./netns.ts";
import { until } from "./poll.ts";

export { hasNetAdmin, type NetAdmin } from "./net_admin.ts";
export { cleanupStale };

/** What may differ from the defaults. */
export interface ClusterOptions {
  /** Run kube-controller-manager too; default true. Without it no pod gets its service account. */
  readonly controllerManager?: boolean;
  /** Put behind our own arguments, so they win. */
  readonly extraArguments?: Partial<Record<ControlPlaneName, readonly string[]>>;
}

/** A request to the API server. */
export interface CloudRequest extends RequestInit {
  /** Which way to take; default the link. */
  readonly via?: "link" | "backdoor";
}

/** Starts a cluster; the first start on a machine builds it. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  await ensureTools();
  const built = await buildCluster();
  await cleanupStale();
  const network = await createNetwork();
  // What exists is disposed of in reverse if a later step fails, or by the cluster's own disposal.
  await using stack = new AsyncDisposableStack();
  stack.defer(() => network.remove());
  const credentials = await createCredentials(network);
  const client = stack.use(
    await CloudClient.open(credentials.ca.cert, credentials.admin.certFiles),
  );
  const site = {
    ...credentials,
    dataFolder: join(network.folder, "etcd"),
    linkAddress: network.link.cloudAddress,
    backdoorAddress: network.backdoor.cloudAddress,
  };
  const controlPlane = new ControlPlane({
    ...{ built, site, client },
    namespace: network.namespace,
    folder: network.folder,
    extraArguments: options.extraArguments ?? {},
  });
  stack.defer(() => controlPlane.killAll());
  const { controllerManager = true } = options;
  for (const name of CONTROL_PLANE) {
    if (name === "kube-controller-manager" && !controllerManager) continue;
    await controlPlane.start(name);
  }
  const parts = { built, network, credentials, client, controlPlane, etcd: etcdUrl(site) };
  const cluster = new Cluster(parts, stack.move());
  try {
    if (controllerManager) await cluster.waitForServiceAccount();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

interface Parts {
  readonly built: Built;
  readonly network: CloudNetwork;
  readonly credentials: Credentials;
  readonly client: CloudClient;
  readonly controlPlane: ControlPlane;
  readonly etcd: string;
}

/** A running cloud; use {@linkcode startCluster}. */
export class Cluster implements AsyncDisposable {
  /** Name of the cloud's network namespace. */
  readonly namespace: string;
  /** Temporary folder of this cluster: logs, certificates, kubeconfigs. */
  readonly folder: string;
  /** URL of the API server over the link. */
  readonly server: string;
  /** URL over the link of the second API server, once it was started (`kube-apiserver-2`). */
  readonly secondServer: string;
  /** URL of the API server by the back door, which works whatever the link does. */
  readonly backdoor: string;
  /** The node's end of the link: where the API server reaches a kubelet. */
  readonly nodeAddress: string;
  /** The authority of the server's and all clients' certificates. */
  readonly caFile: string;
  /** Paths; `backdoor` is the administrator by the back door, the others go over the link. */
  readonly kubeconfigs: {
    readonly admin: string;
    readonly node: string;
    readonly backdoor: string;
  };
  /** Client certificates: `system:masters`, and `system:node:edge-1` of `system:nodes`. */
  readonly certFiles: { readonly admin: CertFiles; readonly node: CertFiles };
  /** The link between the root namespace and the cloud. */
  readonly link: Link;
  readonly #parts: Parts;
  readonly #stack: AsyncDisposableStack;

  /** @ignore */
  constructor(parts: Parts, stack: AsyncDisposableStack) {
    const { network, credentials } = parts;
    this.#parts = parts;
    this.#stack = stack;
    this.namespace = network.namespace;
    this.folder = network.folder;
    this.server = `https://${network.link.cloudAddress}:${API_PORT}`;
    this.secondServer = `https://${network.link.cloudAddress}:${SECOND_API_PORT}`;
    this.backdoor = `https://${network.backdoor.cloudAddress}:${API_PORT}`;
    this.nodeAddress = network.link.rootAddress;
    this.caFile = credentials.ca.cert;
    const { admin, node, backdoorKubeconfig } = credentials;
    this.kubeconfigs = {
      admin: admin.kubeconfig,
      node: node.kubeconfig,
      backdoor: backdoorKubeconfig,
    };
    this.certFiles = { admin: admin.certFiles, node: node.certFiles };
    this.link = new Link(network.namespace, network.link);
  }

  /** Path of a built program. */
  bin(...[name]: Parameters<Built["bin"]>): string {
    return this.#parts.built.bin(name);
  }

  /** Runs kubectl in the root namespace; throws when it fails, unless failure is allowed. */
  kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<CommandResult> {
    const kubeconfig = options.kubeconfig ?? this.kubeconfigs.admin;
    const home = join(this.folder, "home");
    const program = this.bin(options.release === "current" ? "kubectl-current" : "kubectl");
    return runKubectl(program, home, args, { ...options, kubeconfig });
  }

  /** Starts a client-go informer in the root namespace, as the administrator over the link. */
  informer(flags: Omit<InformerFlags, "kubeconfig"> & Partial<InformerFlags>): Informer {
    const all = { kubeconfig: this.kubeconfigs.admin, ...flags };
    const program = this.bin(flags.release === "current" ? "informer-current" : "informer");
    return this.#stack.use(Informer.start(program, all));
  }

  /** Starts a program in the root namespace that asks as a kubelet does. */
  asker(kubeconfig: string): Asker {
    return this.#stack.use(new Asker(this.bin("asker"), kubeconfig));
  }

  /** `fetch` of a path as the administrator, over the link or by the back door. */
  fetch(path: string, { via = "link", ...init }: CloudRequest = {}): Promise<Response> {
    const server = via === "link" ? this.server : this.backdoor;
    return this.#parts.client.fetch(server + path, init);
  }

  /** Creates a user with a client certificate. */
  addUser(name: string, groups?: readonly string[]): Promise<User> {
    return this.#parts.credentials.addUser(name, groups);
  }

  /** Makes etcd forget all history up to now; returns the revision. See {@linkcode expire}. */
  compact(): Promise<string> {
    return compactNow(this.#parts.etcd);
  }

  /** Stops a process of the cloud. */
  stop(name: ControlPlaneName, signal?: Deno.Signal): Promise<void> {
    return this.#parts.controlPlane.stop(name, signal);
  }

  /** Starts a stopped process and waits until it is ready. */
  start(name: ControlPlaneName): Promise<void> {
    return this.#parts.controlPlane.start(name);
  }

  /**
   * Restarts the API server, which ends all watches and empties its watch cache. It is killed unless
   * told otherwise: on SIGTERM it waits for up to a minute for its clients to leave.
   */
  async restartApiserver(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    await this.stop("kube-apiserver", signal);
    await this.start("kube-apiserver");
  }

  /**
   * Makes every resourceVersion up to now answer 410 Expired: the history goes from etcd, and with a
   * restart from the API server's watch cache.
   */
  async expire(): Promise<void> {
    await this.compact();
    await this.restartApiserver();
  }

  /** The last lines of a process's log. */
  log(name: ControlPlaneName, lines?: number): Promise<string> {
    return this.#parts.controlPlane.log(name, lines);
  }

  /** Waits until pods can be created in a namespace, which takes its default service account. */
  async waitForServiceAccount(namespace = "default"): Promise<void> {
    const url = `${this.backdoor}/api/v1/namespaces/${namespace}/serviceaccounts/default`;
    await until(
      `the default service account of ${namespace}`,
      (signal) => this.#parts.client.isOk(url, signal),
      { timeoutMs: 30_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
