/**
 * A real node for the tests: kubelet and containerd on a machine that can be switched off and on, beside
 * the agent, which runs in the test.
 *
 * @module
 */

import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { until } from "../poll.ts";
import { installContainerd, startContainerd } from "./containerd.ts";
import { type KubeletOptions, startKubelet } from "./kubelet.ts";
import { Machine, type Service } from "./machine.ts";
import { ensureNodeTools } from "./node_tools.ts";

/** The node's name, of which the cluster has a client certificate. */
export const NODE_NAME = "edge-1";

/** Whom a kubelet talks to, the agent or the cloud, and how it differs from the default. */
export type KubeletStart = Pick<
  KubeletOptions,
  "kubeconfig" | "bootstrapKubeconfig" | "config" | "extraArguments"
>;

/** One node of a cluster; at most one per cluster at a time. */
export class Node implements AsyncDisposable {
  readonly machine: Machine;
  readonly #cluster: Cluster;
  #containerd: Service | undefined;
  #kubelet: Service | undefined;

  private constructor(cluster: Cluster, machine: Machine) {
    this.#cluster = cluster;
    this.machine = machine;
  }

  /** Boots a machine with containerd and our image; no kubelet yet. */
  static async boot(cluster: Cluster): Promise<Node> {
    await ensureNodeTools();
    await mkdir(cluster.folder, { recursive: true });
    const disk = await mkdtemp(join(cluster.folder, "node-"));
    const machine = new Machine({ disk, hostname: NODE_NAME, id: cluster.namespace });
    const node = new Node(cluster, machine);
    // The third byte is the cluster's own, so nodes of other runs have other ranges.
    const third = cluster.nodeAddress.split(".")[2];
    await installContainerd(machine, `10.204.${third}.0/24`);
    try {
      await node.boot();
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where the API server reaches the kubelet. */
  get address(): string {
    return this.#cluster.nodeAddress;
  }

  /** The running kubelet. */
  get kubelet(): Service {
    if (!this.#kubelet) throw new Error("Cannot use the kubelet: it was not started");
    return this.#kubelet;
  }

  /** Switches the machine on again, with what is on its disks. */
  async boot(): Promise<void> {
    await this.machine.boot();
    this.#containerd = await startContainerd(this.machine);
  }

  /** Power cut: kubelet, containerd and all containers at once; disks stay, mounts and `/run` do not. */
  async powerOff(): Promise<void> {
    await this.machine.powerOff();
    await Promise.all([this.#kubelet?.ended, this.#containerd?.ended]);
  }

  /** Starts the kubelet; returns at once. */
  async startKubelet(start: KubeletStart): Promise<void> {
    this.#kubelet = await startKubelet(this.machine, {
      program: this.#cluster.bin("kubelet"),
      clientCaFile: this.#cluster.caFile,
      nodeName: NODE_NAME,
      address: this.address,
      ...start,
    });
  }

  /** Stops the kubelet alone; containers go on. */
  async stopKubelet(signal: "TERM" | "KILL" = "KILL"): Promise<void> {
    await this.kubelet.stop(signal);
  }

  /** Ids of the containers that run, by the names of their pod and container. */
  async runningContainers(pod: string, container: string): Promise<string[]> {
    const { stdout } = await this.#ctr(["tasks", "ls"]);
    const running = new Set(
      stdout.split("\n").filter((line) => /\bRUNNING\b/.test(line)).map((line) =>
        line.split(" ")[0]
      ),
    );
    const labels = [
      `labels."io.kubernetes.pod.name"==${pod}`,
      `labels."io.kubernetes.container.name"==${container}`,
    ].join(",");
    const { stdout: named } = await this.#ctr(["containers", "ls", "-q", labels]);
    return named.split("\n").filter((id) => running.has(id));
  }

  /** Kills a container as a crash would. */
  async killContainer(id: string): Promise<void> {
    await this.#ctr(["tasks", "kill", "--signal", "SIGKILL", id]);
  }

  /** Runs a command in a container by containerd, without kubelet and API server. */
  async runInside(id: string, argv: readonly string[]): Promise<string> {
    const execId = `test-${crypto.randomUUID()}`;
    return (await this.#ctr(["tasks", "exec", "--exec-id", execId, id, ...argv])).stdout;
  }

  /** Waits for a running container and returns its id; `not` is one that is known. */
  async containerOf(pod: string, container: string, not?: string): Promise<string> {
    return await until(`container ${container} of ${pod} to run`, async () => {
      this.kubelet.assertRunning();
      const ids = await this.runningContainers(pod, container);
      return ids.find((id) => id !== not);
    }, { timeoutMs: 90_000, intervalMs: 200 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
  }

  #ctr(args: readonly string[]): ReturnType<Machine["run"]> {
    return this.machine.run(["ctr", "--namespace", "k8s.io", ...args]);
  }
}
