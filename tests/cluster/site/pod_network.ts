/**
 * The pods of a host: what kubelet and containerd do of their life as far as the network sees it.
 *
 * @module
 */

import { randomBytes, randomUUID } from "node:crypto";
import type { Machine } from "../node/machine.ts";
import { CniRuntime } from "./cni_runtime.ts";
import { Pod, type PodName } from "./pod.ts";

/** The pod's device. */
const IF_NAME = "eth0";

/** What a restart after a reboot may do differently. */
export interface RestartOptions {
  /** When the old sandbox is torn down; "never" is a kubelet that has lost it. Default "before". */
  readonly del?: (pod: Pod) => "before" | "after" | "never";
  /** In which order the pods come back; default that in which they were added. */
  readonly order?: (pods: readonly Pod[]) => readonly Pod[];
  /** All at the same time, as kubelet does; default true. */
  readonly concurrent?: boolean;
}

/** The runtime of a host and its sandboxes; what it remembers of pods survives the host's power. */
export class PodNetwork {
  readonly #machine: Machine;
  readonly #program: string;
  readonly #pods = new Map<string, Pod>();
  #runtime: CniRuntime | undefined;

  /** @param program path of the built runtime */
  constructor(machine: Machine, program: string) {
    this.#machine = machine;
    this.#program = program;
  }

  /** All pods that were added and not deleted, in that order. */
  get all(): readonly Pod[] {
    return [...this.#pods.values()];
  }

  /** The runtime, for calls out of the ordinary. */
  get runtime(): CniRuntime {
    return this.#runtime ??= new CniRuntime(this.#machine, this.#program);
  }

  /** Creates a sandbox as RunPodSandbox does; what a failed one has made is undone. */
  async add(namespace: string, name: string, uid: string = randomUUID()): Promise<Pod> {
    const pod = await this.#run({ namespace, name, uid });
    this.#pods.set(keyOf(pod.id), pod);
    return pod;
  }

  /** Removes a pod for good. */
  async delete({ id }: Pod): Promise<void> {
    const pod = this.#pods.get(keyOf(id));
    if (!pod) throw new Error(`Cannot delete ${keyOf(id)}: it is not there`);
    await pod.stop();
    await this.#tearDown(pod, pod.netns);
    await this.#machine.run(["ip", "netns", "delete", nameOf(pod.netns)]);
    this.#pods.delete(keyOf(id));
  }

  /**
   * What kubelet and containerd do after a reboot: the old sandbox of each pod is torn down with an empty
   * network namespace, as that went with the power, and a new one is made. Returns the pods in the order
   * in which they were added.
   */
  async restart(options: RestartOptions = {}): Promise<Pod[]> {
    const { order = (pods) => pods, concurrent = true } = options;
    const pods = order(this.all);
    if (!concurrent) {
      for (const pod of pods) await this.#restartOne(pod, options);
      return [...this.all];
    }
    const results = await Promise.allSettled(pods.map((pod) => this.#restartOne(pod, options)));
    const errors = results.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
    if (errors.length === 0) return [...this.all];
    throw new AggregateError(errors, `Cannot restart ${errors.length} pods: ${errors[0]}`);
  }

  /** Asks the plugins whether a pod's network is as they left it. */
  async check(pod: Pod): Promise<void> {
    await this.runtime.call({ op: "check", netns: pod.netns, ...attachmentOf(pod) });
  }

  /** Lets go of all that is not one of these pods' any more; containerd never does it. */
  async collectGarbage(): Promise<void> {
    const valid = this.all.map(({ containerId }) => ({
      containerID: containerId,
      ifname: IF_NAME,
    }));
    await this.runtime.call({ op: "gc", valid });
  }

  /** Ends the runtime, whose host is off; the pods stay known. */
  async forget(): Promise<void> {
    await this.#runtime?.[Symbol.asyncDispose]();
    this.#runtime = undefined;
  }

  async #restartOne(old: Pod, { del = () => "before" }: RestartOptions): Promise<void> {
    const when = del(old);
    if (when === "before") await this.#tearDown(old, "");
    const pod = await this.#run(old.id);
    this.#pods.set(keyOf(pod.id), pod);
    if (when === "after") await this.#tearDown(old, "");
  }

  async #run(id: PodName): Promise<Pod> {
    const containerId = randomBytes(32).toString("hex");
    const netns = `/run/netns/cni-${randomUUID()}`;
    const script = 'ip netns add "$0" && ip -n "$0" link set dev lo up';
    await this.#machine.run(["sh", "-c", script, nameOf(netns)]);
    const sandbox = { id, containerId, netns };
    try {
      const result = await this.runtime.call({ op: "add", netns, ...attachmentOf(sandbox) });
      const ips = (result?.ips ?? []).map(({ address }) => address.replace(/\/.*/, ""));
      return new Pod(this.#machine, this.#program, { ...sandbox, ips });
    } catch (error) {
      await this.#tearDown(sandbox, netns).catch(() => {});
      await this.#machine.run(["ip", "netns", "delete", nameOf(netns)], { allowFailure: true });
      throw error;
    }
  }

  async #tearDown(sandbox: Sandbox, netns: string): Promise<void> {
    await this.runtime.call({ op: "del", netns, ...attachmentOf(sandbox) });
  }
}

type Sandbox = Pick<Pod, "id" | "containerId">;

function keyOf({ namespace, name }: PodName): string {
  return `${namespace}/${name}`;
}

function nameOf(netns: string): string {
  return netns.slice(netns.lastIndexOf("/") + 1);
}

/** As containerd names it to the plugins. */
function attachmentOf({ id, containerId }: Sandbox) {
  const args: [string, string][] = [
    ["IgnoreUnknown", "1"],
    ["K8S_POD_NAMESPACE", id.namespace],
    ["K8S_POD_NAME", id.name],
    ["K8S_POD_INFRA_CONTAINER_ID", containerId],
    ["K8S_POD_UID", id.uid],
  ];
  return { containerID: containerId, ifName: IF_NAME, args };
}
