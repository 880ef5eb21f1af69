/**
 * The way of a host to the cloud: a cable of its own, straight into the cloud's namespace, which can be
 * cut without a sign, for one host or for a whole site at once.
 *
 * @module
 */

import type { Cluster } from "../cluster.ts";
import { run, saysGone } from "../command.ts";

/** Device on the host. */
const DEVICE = "wan0";

/** Cables so far, so that no two have the same name and addresses. */
const counts = new WeakMap<Cluster, number>();

/**
 * A table of its own, as the iptables rules of the cluster's link are replaced as a whole. The set is
 * consulted before connection tracking.
 */
const TABLE = `
  table inet edge_site {
    set cut { type ifname; }
    chain incoming { type filter hook prerouting priority raw; iifname @cut drop; }
    chain outgoing { type filter hook output priority raw; oifname @cut drop; }
  }
`;

/** Cuts cables in one step, so there is no moment between two states of a site. */
export async function cut(uplinks: readonly Uplink[]): Promise<void> {
  await change("add", uplinks);
}

/** Mends cables in one step; connections that were not reset in the meantime go on. */
export async function mend(uplinks: readonly Uplink[]): Promise<void> {
  // Adding first makes deleting one that is not there no error.
  await change("add", uplinks, "delete");
}

async function change(verb: string, uplinks: readonly Uplink[], then?: string): Promise<void> {
  const [first] = uplinks;
  if (!first) return;
  const devices = uplinks.map(({ device }) => `"${device}"`).join(", ");
  const lines = [verb, then].filter(Boolean).map((each) =>
    `${each} element inet edge_site cut { ${devices} }\n`
  );
  await first.inCloud(["nft", "-f", "-"], lines.join(""));
}

/** A host's cable; it keeps its state while the host is off. */
export class Uplink {
  /** Device in the cloud's namespace. */
  readonly device: string;
  readonly #cluster: Cluster;
  readonly #subnet: string;

  private constructor(cluster: Cluster, number: number) {
    this.#cluster = cluster;
    this.device = `site${number}`;
    this.#subnet = `10.207.${number}`;
  }

  /** Takes the next number; nothing is plugged yet. */
  static async create(cluster: Cluster): Promise<Uplink> {
    const number = counts.get(cluster) ?? 0;
    counts.set(cluster, number + 1);
    const uplink = new Uplink(cluster, number);
    if (number === 0) await uplink.inCloud(["nft", "-f", "-"], TABLE);
    return uplink;
  }

  /** The host's own end. */
  get hostAddress(): string {
    return `${this.#subnet}.2`;
  }

  /** What it takes to lay the cable, for `ip -batch` on the host. */
  get hostCommands(): string[] {
    const cloudAddress = new URL(this.#cluster.server).hostname;
    const far = `${this.#subnet}.1`;
    return [
      `link add dev ${DEVICE} type veth peer name ${this.device} netns ${this.#cluster.namespace}`,
      `address add ${this.hostAddress}/30 dev ${DEVICE}`,
      `link set dev ${DEVICE} up`,
      // The API server is called by the name of its link, for which it has a certificate.
      `route add ${cloudAddress}/32 via ${far} dev ${DEVICE} onlink`,
    ];
  }

  /** Sets the cloud's end up, and its way to the host's address on the LAN. */
  async connect(lanAddress: string | undefined): Promise<void> {
    const lines = [
      `address add ${this.#subnet}.1/30 dev ${this.device}`,
      `link set dev ${this.device} up`,
    ];
    await this.inCloud(["ip", "-batch", "-"], lines.join("\n") + "\n");
    if (lanAddress !== undefined) await this.routeTo(lanAddress);
  }

  /** Tells the cloud that an address on the LAN is this host's. */
  async routeTo(lanAddress: string): Promise<void> {
    const way = ["via", this.hostAddress, "dev", this.device];
    await this.inCloud(["ip", "route", "replace", `${lanAddress}/32`, ...way], "");
  }

  /** Pulls the cable out; one that is gone already is fine. */
  async remove(): Promise<void> {
    const { code, stderr } = await this.inCloud(
      ["ip", "link", "del", "dev", this.device],
      "",
      true,
    );
    if (code !== 0 && !saysGone(stderr)) {
      throw new Error(`Cannot pull ${this.device} out of the cloud: ${stderr.trim()}`);
    }
  }

  /** Drops every packet silently, in both directions, as a dead uplink does. */
  async blackhole(): Promise<void> {
    await cut([this]);
  }

  /** Ends that. */
  async restore(): Promise<void> {
    await mend([this]);
  }

  /** Runs a command in the cloud's network. */
  inCloud(argv: readonly string[], stdin: string, allowFailure = false): ReturnType<typeof run> {
    const { namespace } = this.#cluster;
    return run(["ip", "netns", "exec", namespace, ...argv], { stdin, allowFailure });
  }
}
