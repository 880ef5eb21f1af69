/**
 * What the kernel of a host knows of its network, as `ip -j` and `bridge -j` print it.
 *
 * @module
 */

import type { Machine } from "../node/machine.ts";

/** A device. */
export interface LinkRow {
  readonly ifindex: number;
  readonly ifname: string;
  /** MAC. */
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly operstate: string;
  readonly linkinfo?: {
    readonly "info_kind"?: string;
    readonly "info_data"?: {
      readonly id: number;
      readonly local?: string;
      readonly local6?: string;
      readonly link?: string;
      readonly port: number;
      readonly learning: boolean;
    };
  };
  readonly "addr_info": readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** A way, of the main table. */
export interface RouteRow {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev: string;
  readonly protocol: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly flags: readonly string[];
}

/** A neighbour, of either family. */
export interface NeighbourRow {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

/** A forwarding entry of a bridge or a tunnel. */
export interface ForwardingRow {
  readonly mac: string;
  readonly dst?: string;
  readonly state: string;
  readonly flags: readonly string[];
}

/** Reads on one machine. */
export class Kernel {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** All devices with their addresses. */
  links(): Promise<LinkRow[]> {
    return this.#read(["ip", "-j", "-d", "address", "show"]);
  }

  /** One device; undefined when it is not there. */
  async link(name: string): Promise<LinkRow | undefined> {
    return (await this.links()).find(({ ifname }) => ifname === name);
  }

  /** All ways of both families but those that the kernel makes itself for IPv6. */
  async routes(): Promise<RouteRow[]> {
    const [v4, v6] = await Promise.all(
      ["-4", "-6"].map((family) =>
        this.#read<RouteRow>(["ip", family, "-j", "-d", "route", "show", "table", "main"])
      ),
    );
    return [...v4!, ...v6!.filter(({ protocol }) => protocol !== "kernel")];
  }

  /** Neighbours on a device, of both families. */
  async neighbours(device: string): Promise<NeighbourRow[]> {
    const both = await Promise.all(
      ["-4", "-6"].map((family) =>
        this.#read<NeighbourRow>(["ip", family, "-j", "neighbour", "show", "dev", device])
      ),
    );
    return both.flat();
  }

  /** Forwarding entries of a device. */
  forwarding(device: string): Promise<ForwardingRow[]> {
    return this.#read(["bridge", "-j", "fdb", "show", "dev", device]);
  }

  /** Text of a file; undefined when it is not there. */
  async file(path: string): Promise<string | undefined> {
    return await Deno.readTextFile(this.#machine.outside(path)).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
  }

  async #read<Row>(argv: readonly string[]): Promise<Row[]> {
    const { stdout } = await this.#machine.run(argv);
    // Nothing to show is no text at all in some versions.
    return stdout.trim() === "" ? [] : JSON.parse(stdout);
  }
}
