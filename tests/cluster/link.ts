/**
 * What can go wrong between the agent and the cloud. Only the link's cable is touched, never the back
 * door.
 *
 * @module
 */

import { run } from "./command.ts";
import type { Cable } from "./netns.ts";

/** Bytes carried since the cluster's start, with all headers, as an Ethernet would carry them. */
export interface LinkBytes {
  readonly toCloud: number;
  readonly fromCloud: number;
}

/** Bytes above an MTU, so that tbf lets every packet pass in one piece. */
const BURST_BYTES = 4096;

/** The link between the root namespace and the cloud. */
export class Link {
  readonly #namespace: string;
  readonly #cable: Cable;

  constructor(namespace: string, cable: Cable) {
    this.#namespace = namespace;
    this.#cable = cable;
  }

  /** Drops every packet silently, in both directions, as a dead uplink does; of one server if told its port. */
  async blackhole(port?: number): Promise<void> {
    const { cloudDevice } = this.#cable;
    const [to, from] = port === undefined
      ? ["", ""]
      : [`-p tcp --dport ${port}`, `-p tcp --sport ${port}`];
    await this.#setRules([
      `-A INPUT -i ${cloudDevice} ${to} -j DROP`,
      `-A OUTPUT -o ${cloudDevice} ${from} -j DROP`,
    ]);
  }

  /** Loses a share of all packets, in both directions. */
  async lose(share: number): Promise<void> {
    const { cloudDevice } = this.#cable;
    const some = `-m statistic --mode random --probability ${share}`;
    await this.#setRules([
      `-A INPUT -i ${cloudDevice} ${some} -j DROP`,
      `-A OUTPUT -o ${cloudDevice} ${some} -j DROP`,
    ]);
  }

  /** Resets established connections and refuses new ones, as a host without the server does. */
  async refuse(): Promise<void> {
    const { cloudDevice } = this.#cable;
    await this.#setRules([
      `-A INPUT -i ${cloudDevice} -p tcp -j REJECT --reject-with tcp-reset`,
      // Nothing but resets may leave, or an event on an open watch could still slip through.
      `-A OUTPUT -o ${cloudDevice} -p tcp ! --tcp-flags RST RST -j DROP`,
    ]);
    await this.kill();
  }

  /** Limits both directions to a rate each, until {@linkcode restore}; the queue holds one second. */
  async throttle(kbit: number): Promise<void> {
    const { rootDevice, cloudDevice } = this.#cable;
    const shape = [
      "root",
      "tbf",
      "rate",
      `${kbit}kbit`,
      "burst",
      `${BURST_BYTES}`,
      "latency",
      "1s",
    ];
    await run(["tc", "qdisc", "replace", "dev", rootDevice, ...shape]);
    await this.#inside(["tc", "qdisc", "replace", "dev", cloudDevice, ...shape]);
  }

  /**
   * Resets all connections over the link now, idle ones too; new ones are not hindered. Returns how
   * many there were. While the link is a black hole the resets do not arrive either.
   */
  async kill(): Promise<number> {
    const before = await this.#connections();
    const mine = ["state", "connected", "src", this.#cable.cloudAddress];
    await this.#inside(["ss", "-K", "-Htn", ...mine]);
    const after = new Set(await this.#connections());
    const alive = before.filter((connection) => after.has(connection));
    if (alive.length > 0) {
      throw new Error(
        `Cannot kill ${alive.join(", ")}: the kernel may lack CONFIG_INET_DIAG_DESTROY`,
      );
    }
    return before.length;
  }

  /** Lifts everything; connections that were not reset in the meantime go on. */
  async restore(): Promise<void> {
    await this.#setRules([]);
    const { rootDevice, cloudDevice } = this.#cable;
    // A device without a qdisc of ours refuses: that is the state we want.
    await run(["tc", "qdisc", "del", "dev", rootDevice, "root"], { allowFailure: true });
    await this.#inside(["tc", "qdisc", "del", "dev", cloudDevice, "root"], true);
  }

  /** How much the link has carried; what was dropped as a black hole counts as sent. */
  async bytes(): Promise<LinkBytes> {
    const { stdout } = await run(["ip", "-s", "-j", "link", "show", "dev", this.#cable.rootDevice]);
    const [device] = JSON.parse(stdout);
    return { toCloud: device.stats64.tx.bytes, fromCloud: device.stats64.rx.bytes };
  }

  /** Address and port of the far ends of what is established. */
  async #connections(): Promise<string[]> {
    const mine = ["state", "established", "src", this.#cable.cloudAddress];
    const { stdout } = await this.#inside(["ss", "-Htn", ...mine]);
    return stdout.split("\n").filter(Boolean).map((line) =>
      line.trim().split(/\s+/).slice(2).join(" ")
    );
  }

  /** Replaces all rules in one step, so there is no moment between two states of the link. */
  async #setRules(rules: readonly string[]): Promise<void> {
    const chains = ["INPUT", "FORWARD", "OUTPUT"].map((chain) => `:${chain} ACCEPT [0:0]`);
    const table = ["*filter", ...chains, ...rules, "COMMIT", ""].join("\n");
    await run(["ip", "netns", "exec", this.#namespace, "iptables-restore"], { stdin: table });
  }

  #inside(argv: readonly string[], allowFailure = false): ReturnType<typeof run> {
    return run(["ip", "netns", "exec", this.#namespace, ...argv], { allowFailure });
  }
}
