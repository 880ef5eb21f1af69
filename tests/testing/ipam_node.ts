import type { Clock } from "../../src/kernel/clock.ts";
import type { Exec } from "../../src/platform/exec.ts";
import type { Fs } from "../../src/platform/fs.ts";
import type { FlannelNetwork } from "../../src/snapshot/ipam/conflist.ts";
import type { HostLocalAnswer } from "../../src/snapshot/ipam/host_local.ts";
import { type IpamPaths, ipamPaths } from "../../src/snapshot/ipam/ipam_paths.ts";
import { type CollectedOrphans, collectOrphans } from "../../src/snapshot/ipam/orphans.ts";
import { runPlugin } from "../../src/snapshot/ipam/plugin.ts";
import { FakeClock } from "./fake_clock.ts";
import { FakeFs } from "./fake_fs.ts";
import { FakeHostLocal } from "./fake_host_local.ts";

const DAY_MS = 86_400_000;

/** A container that lives. */
export interface LiveContainer {
  readonly pod: string;
  readonly ips: readonly string[];
}

/** What a call may differ in from the usual. */
export interface CallOptions {
  /** Default: one that goes with the pod's name, as a kubelet's restart of a sandbox keeps it. */
  uid?: string;
  /** Laid over the usual variables. */
  env?: Record<string, string>;
  /** Laid over the usual config. */
  conf?: Record<string, unknown>;
}

/**
 * A node as the IPAM plugin sees it: the part of the container runtime is played here, with its network
 * namespaces and libcni's cache of results. Throws when an address is given to two living containers.
 */
export class IpamNode {
  readonly network: FlannelNetwork;
  readonly live = new Map<string, LiveContainer>();
  /** Range sets of the network. */
  ranges: unknown[] = [[{ subnet: "10.244.1.0/24" }]];
  cniVersion = "0.3.1";
  /** Where the runtime's libcni keeps results. */
  results: string;
  /** Names of containers: as long as one another where a power cut may leave a part of one. */
  idOf = (n: number): string => `c${n}`;
  #containers = 0;

  constructor(
    readonly fs: Fs,
    readonly exec: Exec,
    readonly clock: Clock,
    readonly paths: IpamPaths,
    readonly cniPath: string,
  ) {
    this.network = { name: "cbr0", dataDir: paths.networks };
    this.results = paths.results[0]!;
  }

  /** The store's folder. */
  get dir(): string {
    return `${this.paths.networks}/cbr0`;
  }

  netnsOf(containerID: string): string {
    return `${this.results}-netns/${containerID}`;
  }

  /** An ADD in a new container of a pod (`namespace/name`); undefined when it was refused. */
  async add(
    pod: string,
    options: CallOptions = {},
  ): Promise<{ id: string; ips: string[] } | undefined> {
    const id = this.idOf(++this.#containers);
    await this.#put(this.netnsOf(id), "");
    const { code, stdout } = await this.call("ADD", pod, id, options);
    if (code !== 0) {
      await this.fs.remove(this.netnsOf(id));
      return undefined;
    }
    const ips = JSON.parse(stdout).ips.map(({ address }: { address: string }) =>
      address.split("/")[0]
    );
    for (const [other, { ips: taken }] of this.live) {
      const twice = taken.find((ip) => ips.includes(ip));
      if (twice !== undefined) {
        throw new Error(`${twice} was given to ${id} and belongs to ${other}`);
      }
    }
    this.live.set(id, { pod, ips });
    await this.cache(pod, id, stdout, options);
    return { id, ips };
  }

  /** A DEL; afterwards libcni's entry and the network namespace are gone. */
  async del(pod: string, id: string, options: CallOptions = {}): Promise<HostLocalAnswer> {
    // The runtime has stopped what runs in it before.
    this.live.delete(id);
    const answer = await this.call("DEL", pod, id, options);
    if (answer.code === 0) {
      await this.fs.remove(`${this.results}/cbr0-${id}-eth0`);
      await this.fs.remove(this.netnsOf(id));
    }
    return answer;
  }

  /** One call of the plugin. */
  call(
    command: string,
    pod: string,
    id: string,
    { uid, env, conf }: CallOptions = {},
  ): Promise<HostLocalAnswer> {
    const [namespace, name] = pod.split("/");
    const ipam = { type: "edge-agent", dataDir: this.paths.networks, ranges: this.ranges };
    const stdin = { cniVersion: this.cniVersion, name: "cbr0", type: "bridge", ipam, ...conf };
    return this.raw({
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: this.netnsOf(id),
      CNI_IFNAME: "eth0",
      CNI_PATH: this.cniPath,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};` +
        `K8S_POD_INFRA_CONTAINER_ID=${id};K8S_POD_UID=${uid ?? `uid-of-${name}`}`,
      ...env,
    }, JSON.stringify(stdin));
  }

  /** One call with any environment and input. */
  raw(env: Record<string, string>, stdin: string): Promise<HostLocalAnswer> {
    const { fs, exec, clock, paths } = this;
    return runPlugin({ fs, exec, clock, paths }, env, new TextEncoder().encode(stdin));
  }

  /** What libcni writes after a whole ADD. */
  async cache(
    pod: string,
    id: string,
    result: string,
    { uid }: CallOptions = {},
  ): Promise<void> {
    const [namespace, name] = pod.split("/");
    await this.#put(
      `${this.results}/cbr0-${id}-eth0`,
      JSON.stringify({
        kind: "cniCacheV1",
        containerId: id,
        config: btoa("{}"),
        ifName: "eth0",
        networkName: "cbr0",
        netns: this.netnsOf(id),
        cniArgs: [
          ["IgnoreUnknown", "1"],
          ["K8S_POD_NAMESPACE", namespace],
          ["K8S_POD_NAME", name],
          ["K8S_POD_UID", uid ?? `uid-of-${name}`],
        ],
        result: JSON.parse(result),
      }),
    );
  }

  /** The node was switched off and on: what was in memory is gone, and nobody sent a DEL. */
  async reboot(): Promise<void> {
    this.live.clear();
    const netns = `${this.results}-netns`;
    for (const name of await this.fs.list(netns)) await this.fs.remove(`${netns}/${name}`);
    await this.fs.remove(this.paths.lock);
  }

  /** What a restore does before the runtime starts. */
  collect(
    limits = { holdTtlMs: 30 * DAY_MS, recordTtlMs: 30 * DAY_MS },
  ): Promise<CollectedOrphans> {
    return collectOrphans(this, this.network, limits, () => Promise.resolve());
  }

  /** The store by address, without host-local's own files. */
  async store(): Promise<Record<string, string>> {
    const names = await this.fs.list(this.dir).catch(() => []);
    const entries = names.filter((name) => /^[\da-f.:]+$/.test(name))
      .map(async (name) => [name, await this.fs.readText(`${this.dir}/${name}`)]);
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Puts something into the store that the plugin did not. */
  async put(ip: string, text: string): Promise<void> {
    await this.#put(`${this.dir}/${ip}`, text);
  }

  async #put(path: string, text: string): Promise<void> {
    await this.fs.mkdir(path.slice(0, path.lastIndexOf("/")), 0o755);
    await this.fs.remove(path);
    await this.fs.createExclusive(path, text, 0o600);
  }
}

/** A node in memory, with the fakes it is made of; `files` are on its disk from the beginning. */
export function fakeNode(
  files: Record<string, string> = {},
): { node: IpamNode; fs: FakeFs; exec: FakeHostLocal; clock: FakeClock } {
  const fs = new FakeFs(files);
  const exec = new FakeHostLocal(fs);
  const clock = new FakeClock();
  fs.now = () => clock.now();
  return { node: new IpamNode(fs, exec, clock, ipamPaths(), "/opt/cni/bin"), fs, exec, clock };
}

/** A node in a folder of its own, with the real host-local. */
export async function realNode(exec: Exec, fs: Fs, cniPath: string): Promise<
  { node: IpamNode } & AsyncDisposable
> {
  const root = await Deno.makeTempDir({ prefix: "edge-agent-ipam-" });
  const paths = { ...ipamPaths(root), networks: `${root}/var/lib/cni/networks` };
  return {
    node: new IpamNode(fs, exec, new FakeClock(Date.now()), paths, cniPath),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}
