/**
 * One machine of a site: a network, mounts and processes of its own that end with its power, on disks
 * that stay; on the LAN by one device and to the cloud by a cable that can be cut.
 *
 * @module
 */

import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { type CommandOptions, type CommandResult, run } from "../command.ts";
import { NodeAgent } from "../node/agent.ts";
import { Machine, type Service } from "../node/machine.ts";
import { until } from "../poll.ts";
import {
  CONFLIST,
  conflist,
  type FlannelOptions,
  NET_CONF,
  netConf,
  SUBNET_ENV,
} from "./flannel.ts";
import { type FlannelState, readFlannelState } from "./flannel_state.ts";
import { Kernel } from "./kernel.ts";
import type { Lan } from "./lan.ts";
import { addressCommands, type Nic, plugCommands } from "./nic.ts";
import { PodNetwork } from "./pod_network.ts";
import type { Uplink } from "./uplink.ts";

/** Where the runtime finds the plugins. */
export const PLUGIN_FOLDER = "/opt/cni/bin";

/** Where the agent finds its config without being told. */
const AGENT_CONFIG = "/etc/edge-agent/config.yaml";

const PLUGINS = ["flannel", "bridge", "host-local", "loopback", "portmap"] as const;

/** What a host is from its first boot on. */
export interface HostOptions {
  readonly cluster: Cluster;
  readonly lan: Lan;
  /** The way to the cloud. */
  readonly uplink: Uplink;
  /** Its node's name too. */
  readonly name: string;
  readonly disk: string;
  readonly podCidrs: readonly string[];
  readonly nic: Nic;
  readonly flannel: FlannelOptions;
  /** Whether it has a control group, as a kubelet on it would need. */
  readonly cgroup: boolean;
  /** What starts services on it. */
  readonly init: "none" | "systemd";
}

/** What flanneld is started with. */
export interface FlanneldOptions {
  /** Path of a kubeconfig: straight to the cloud, or an agent's. */
  readonly kubeconfig: string;
  readonly extraArguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A host that may be switched on and off; off at first. */
export class EdgeHost implements AsyncDisposable {
  readonly name: string;
  readonly podCidrs: readonly string[];
  readonly machine: Machine;
  /** The way to the cloud. */
  readonly cloud: Uplink;
  /** What the kernel knows of the host's network. */
  readonly kernel: Kernel;
  /** The pods, by way of a container runtime. */
  readonly pods: PodNetwork;
  readonly #options: HostOptions;
  #nic: Nic;

  private constructor(options: HostOptions) {
    const { name, cluster, disk, podCidrs, uplink, cgroup, init } = options;
    this.#options = options;
    this.#nic = options.nic;
    this.name = name;
    this.podCidrs = podCidrs;
    this.cloud = uplink;
    this.machine = new Machine({
      disk,
      hostname: name,
      // Below the cluster's, which goes with what a killed run has left.
      id: cgroup ? `${cluster.namespace}/${name}` : undefined,
      ownNetwork: true,
      init,
      folders: {
        "/etc": "copy",
        "/opt/cni": "empty",
        "/var/lib": "empty",
        "/var/log": "empty",
        // Where install.sh puts things.
        ...(init === "systemd" && { "/usr/local/bin": "empty" }),
      },
    });
    this.kernel = new Kernel(this.machine);
    this.pods = new PodNetwork(this.machine, cluster.bin("cniruntime"));
  }

  /** Makes the disk with flannel's settings and the plugins, and boots. */
  static async create(options: HostOptions): Promise<EdgeHost> {
    const host = new EdgeHost(options);
    try {
      await host.boot();
      await host.writeFile(NET_CONF, netConf(options.flannel));
      await host.writeFile(CONFLIST, conflist());
      await mkdir(host.outside(PLUGIN_FOLDER), { recursive: true });
      for (const plugin of PLUGINS) {
        const place = host.outside(join(PLUGIN_FOLDER, plugin));
        // A unit with ProtectHome= does not see what links lead to.
        if (options.init === "systemd") await copyFile(options.cluster.bin(plugin), place);
        else await symlink(options.cluster.bin(plugin), place);
      }
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The device on the LAN as it was last plugged in. */
  get nic(): Nic {
    return this.#nic;
  }

  /** Whether the power is on. */
  get isOn(): boolean {
    return this.machine.isOn;
  }

  /**
   * Switches the power on: a new network, whose devices have the MAC and the addresses of last time
   * unless told otherwise.
   */
  async boot(changes: Partial<Nic> = {}): Promise<void> {
    const { lan, uplink } = this.#options;
    const nic = { ...this.#nic, ...changes };
    await this.machine.boot();
    this.#nic = nic;
    await this.#batch([
      "link set dev lo up",
      ...plugCommands(nic, this.#port, lan.pid),
      ...uplink.hostCommands,
    ]);
    await Promise.all([lan.connect(this.#port), uplink.connect(nic.address)]);
    if (!nic.carrier) await lan.setCarrier(this.#port, false);
    // As /etc/sysctl.d of a node has it.
    const forwarding = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
    await Promise.all([
      this.#batch(addressCommands(nic)),
      this.run(["sysctl", "-q", "-w", ...forwarding]),
    ]);
  }

  /** Kills all processes and destroys all devices at once; the disks stay. */
  async powerOff(): Promise<void> {
    const { lan, uplink } = this.#options;
    if (!this.isOn) return;
    await this.machine.powerOff();
    // The kernel does the same a little later, when the last process has left the network.
    await Promise.all([this.pods.forget(), lan.remove(this.#port), uplink.remove()]);
  }

  /** Gives the device on the LAN its addresses, or others: DHCP has answered. */
  async setAddresses(changes: Partial<Nic>): Promise<void> {
    this.#nic = { ...this.#nic, ...changes };
    const { name, address } = this.#nic;
    await this.#batch([`address flush dev ${name} scope global`]);
    await this.#batch(addressCommands(this.#nic));
    if (address !== undefined) await this.cloud.routeTo(address);
  }

  /** Plugs the cable into the LAN, or pulls it out. */
  async setCarrier(carrier: boolean): Promise<void> {
    this.#nic = { ...this.#nic, carrier };
    await this.#options.lan.setCarrier(this.#port, carrier);
  }

  /** Runs a command on the host. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.machine.run(argv, options);
  }

  /** Starts a service; its log is `/var/log/<name>.log`. */
  start(name: string, argv: readonly string[]): Service {
    return this.machine.start(name, argv);
  }

  /** Path on the test's side of a file on the disk, or of any other while the host is on. */
  outside(path: string): string {
    return this.machine.outside(path);
  }

  /** Writes a file, and the folders above. */
  async writeFile(path: string, content: string): Promise<void> {
    const outside = this.outside(path);
    await mkdir(dirname(outside), { recursive: true });
    await writeFile(outside, content);
  }

  /** Writes the agent's config: a `proxy` section over the defaults of the tests, and others. */
  installAgent(
    proxy: Record<string, unknown>,
    others?: Record<string, unknown>,
  ): Promise<NodeAgent> {
    return NodeAgent.install(this.machine, this.#options.cluster, proxy, others, AGENT_CONFIG);
  }

  /** Starts flanneld; whether it gets anywhere depends on its API server. */
  startFlanneld({ kubeconfig, extraArguments = [], env = {} }: FlanneldOptions): Service {
    const variables = Object.entries({ NODE_NAME: this.name, ...env });
    return this.start("flanneld", [
      "env",
      ...variables.map(([name, value]) => `${name}=${value}`),
      this.#options.cluster.bin("flanneld"),
      ...["--kube-subnet-mgr", "--ip-masq", `--kubeconfig-file=${kubeconfig}`, ...extraArguments],
    ]);
  }

  /** Waits until flanneld has made all that pods need, with ways to so many other hosts. */
  async flannelReady(flanneld: Service, peers: number): Promise<FlannelState> {
    try {
      return await until(`flanneld on ${this.name} to be ready`, async () => {
        flanneld.assertRunning();
        if (await this.kernel.file(SUBNET_ENV) === undefined) return undefined;
        const state = await this.flannelState();
        const complete = Object.values(state.vteps).every((vtep) => {
          const whole = vtep.peers.filter(({ mac, publicIp }) => mac && publicIp);
          return whole.length === vtep.peers.length;
        });
        const ways = new Set([
          ...Object.values(state.vteps).flatMap((vtep) => vtep.peers.map(({ subnet }) => subnet)),
          ...state.direct.map(({ subnet }) => subnet),
        ]);
        return complete && ways.size >= peers * this.podCidrs.length ? state : undefined;
      }, { timeoutMs: 30_000 });
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\n${await flanneld.tail()}`, { cause });
    }
  }

  /** What flannel has made of the network. */
  flannelState(): Promise<FlannelState> {
    return readFlannelState(this.kernel);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
  }

  /** The LAN's end of the cable. */
  get #port(): string {
    return this.cloud.device;
  }

  async #batch(lines: readonly string[]): Promise<void> {
    const { pid } = this.machine;
    // The host's network with the test's mounts: the cloud's namespace has a name only there.
    const argv = ["nsenter", `--net=/proc/${pid}/ns/net`, "--", "ip", "-batch", "-"];
    await run(argv, { stdin: lines.join("\n") + "\n" });
  }
}
