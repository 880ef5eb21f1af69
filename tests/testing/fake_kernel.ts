/**
 * A model of a Linux host's links, neighbours, FDB and routes that runs the `ip` and `bridge` commands of the
 * agent, held to the real ones by `tests/cluster/snapshot/fake_kernel_test.ts`.
 *
 * @module
 */

import {
  type Exec,
  type ExecOptions,
  type ExecResult,
  ProgramError,
} from "../../src/platform/exec.ts";
import type { ObservedLink } from "../../src/snapshot/model.ts";

interface FakeLink {
  name: string;
  mac: string;
  mtu: number;
  up: boolean;
  kind: string;
  addresses: { address: string; prefixLength: number }[];
  vxlan?: Omit<ObservedLink, "name" | "mac" | "mtu" | "up" | "addresses">;
}

interface FakeRoute {
  subnet: string;
  gateway: string;
  link: string;
  onlink: boolean;
  protocol: string;
}

/** Fails an operation: its index among all that were run, and its line. True lets it fail. */
export type KernelFault = (index: number, line: string) => "refuse" | "crash" | undefined;

/** A line that the model can't do: what the real program says of it. */
class Refused extends Error {}

/** A line at which the real program gives up the whole batch. */
class GivenUp extends Refused {}

/** The power went: nothing more is run. */
export class PowerCut extends Error {}

/** A host without its real network. */
export class FakeKernel implements Exec {
  readonly links = new Map<string, FakeLink>();
  /** `link address` to MAC. */
  readonly neighbours = new Map<string, string>();
  /** `link mac` to endpoint. */
  readonly fdb = new Map<string, string>();
  readonly routes = new Map<string, FakeRoute>();
  /** Programs besides `ip` and `bridge`. */
  readonly programs = new Map<
    string,
    (args: readonly string[], options: ExecOptions) => ExecResult
  >();
  /** Every changing line that was run. */
  readonly log: string[] = [];
  /** Calls of programs. */
  calls = 0;
  version = "ip utility, iproute2-6.1.0, libbpf 1.1.2";
  fault: KernelFault | undefined;

  /** Adds a network card. */
  addCard(name: string, mac: string, addresses: readonly string[] = [], mtu = 1500): void {
    const link = { name, mac, mtu, up: true, kind: "", addresses: addresses.map(parseAddress) };
    this.links.set(name, link);
  }

  run(
    [program = "", ...args]: readonly string[],
    options: ExecOptions = {},
  ): Promise<ExecResult> {
    return Promise.try(() => {
      this.calls++;
      const other = this.programs.get(program);
      if (other !== undefined) return other(args, options);
      if (program !== "ip" && program !== "bridge") {
        throw new ProgramError(program, `there is no program "${program}" on PATH: install it`);
      }
      if (args[0] === "-V") {
        return done(program === "ip" ? this.version : "bridge utility, 6.1.0");
      }
      if (args.includes("-batch")) {
        return this.#batch(options.stdin ?? "", args.includes("-force"), program);
      }
      return done(JSON.stringify(this.#show(program, args)));
    });
  }

  // deno-lint-ignore require-yield -- nothing is announced here
  async *lines(_argv: readonly string[], signal: AbortSignal): AsyncIterable<string> {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** All that a reboot leaves: cards with their addresses. */
  reboot(): void {
    for (const { name, kind } of [...this.links.values()]) if (kind !== "") this.links.delete(name);
    this.neighbours.clear();
    this.fdb.clear();
    this.routes.clear();
  }

  #batch(text: string, force: boolean, program: string): ExecResult {
    const errors: string[] = [];
    for (const [i, line] of text.split("\n").entries()) {
      if (line === "") continue;
      const fault = this.fault?.(this.log.length, line);
      this.log.push(line);
      if (fault === "crash") throw new PowerCut(line);
      try {
        if (fault === "refuse") throw new Refused("RTNETLINK answers: Operation not permitted");
        this.change(program, line.split(" "));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        errors.push(error.message);
        if (error instanceof GivenUp) break;
        errors.push(`Command failed -:${i + 1}`);
        if (!force) break;
      }
    }
    return { code: errors.length > 0 ? 1 : 0, stdout: "", stderr: errors.join("\n") };
  }

  /** Runs one changing command, as words. */
  change(program: string, words: readonly string[]): void {
    const [object, verb, ...rest] = words;
    const word = (name: string) => rest[rest.indexOf(name) + 1]!;
    const has = (name: string) => rest.includes(name);
    switch (`${program} ${object} ${verb}`) {
      case "ip link add":
        return this.#addVxlan(rest);
      case "ip link delete":
        return this.#deleteLink(this.#link(word("dev")));
      case "ip link set": {
        const link = this.#link(word("dev"));
        if (has("address") && link.mac !== word("address")) {
          link.mac = word("address");
          this.#forget(this.neighbours, link.name);
        }
        if (has("mtu")) link.mtu = Number(word("mtu"));
        if (has("up")) link.up = true;
        return;
      }
      case "ip address replace": {
        const link = this.#link(word("dev"));
        const address = parseAddress(rest[0]!);
        if (!link.addresses.some((each) => each.address === address.address)) {
          link.addresses.push(address);
        }
        return;
      }
      case "ip address delete": {
        const link = this.#link(word("dev"));
        const { address } = parseAddress(rest[0]!);
        const at = link.addresses.findIndex((each) => each.address === address);
        if (at < 0) throw new Refused("Error: ipv4: Address not found.");
        link.addresses.splice(at, 1);
        // The last IPv4 address takes neighbours and routes with it.
        if (!address.includes(":") && !link.addresses.some((each) => !each.address.includes(":"))) {
          for (const key of this.neighbours.keys()) {
            if (key.startsWith(`${link.name} `) && !key.includes(":")) this.neighbours.delete(key);
          }
          for (const [key, route] of this.routes) {
            if (route.link === link.name && !key.includes(":")) this.routes.delete(key);
          }
        }
        return;
      }
      case "ip neigh replace": {
        const link = this.#link(word("dev"));
        this.neighbours.set(`${link.name} ${rest[0]}`, word("lladdr"));
        return;
      }
      case "ip neigh delete": {
        const link = this.#link(word("dev"));
        if (!this.neighbours.delete(`${link.name} ${rest[0]}`)) {
          throw new GivenUp("RTNETLINK answers: No such file or directory");
        }
        return;
      }
      case "bridge fdb replace": {
        const link = this.#link(word("dev"));
        this.fdb.set(`${link.name} ${rest[0]}`, word("dst"));
        return;
      }
      case "bridge fdb delete": {
        const link = this.#link(word("dev"));
        const key = `${link.name} ${rest[0]}`;
        const endpoint = this.fdb.get(key);
        if (endpoint === undefined) {
          throw new Refused("RTNETLINK answers: No such file or directory");
        }
        if (endpoint === word("dst")) this.fdb.delete(key);
        return;
      }
      case "ip route replace":
        return this.#replaceRoute({
          subnet: rest[0]!,
          gateway: word("via"),
          link: word("dev"),
          onlink: has("onlink"),
          protocol: has("proto") ? word("proto") : "boot",
        });
      case "ip route delete": {
        const route = this.routes.get(rest[0]!);
        if (
          route === undefined || route.gateway !== word("via") || route.link !== word("dev") ||
          has("proto") && route.protocol !== word("proto")
        ) throw new Refused("RTNETLINK answers: No such process");
        this.routes.delete(rest[0]!);
        return;
      }
      default:
        throw new Error(`The model does not know "${program} ${words.join(" ")}"`);
    }
  }

  #addVxlan(words: readonly string[]): void {
    const word = (name: string) => words[words.indexOf(name) + 1]!;
    const name = word("name");
    const underlay = word("dev");
    if (!this.links.has(underlay)) throw new GivenUp(`Cannot find device "${underlay}"`);
    if (this.links.has(name)) throw new Refused("RTNETLINK answers: File exists");
    const vni = Number(word("id"));
    const port = Number(word("dstport"));
    const local = word("local");
    for (const { vxlan } of this.links.values()) {
      // Devices of the two families share a socket's port, but not the VNI within one.
      if (
        vxlan?.vni === vni && vxlan.port === port &&
        vxlan.local.includes(":") === local.includes(":")
      ) {
        throw new Refused("Error: A VXLAN device with the specified VNI already exists.");
      }
    }
    this.links.set(name, {
      name,
      mac: word("address"),
      mtu: Number(word("mtu")),
      up: false,
      kind: "vxlan",
      addresses: [],
      vxlan: {
        vni,
        port,
        local,
        underlay,
        learning: !words.includes("nolearning"),
        gbp: words.includes("gbp"),
        txQueueLength: Number(word("txqueuelen")),
      },
    });
  }

  #deleteLink({ name }: FakeLink): void {
    this.links.delete(name);
    for (const table of [this.neighbours, this.fdb]) this.#forget(table, name);
    for (const [key, route] of this.routes) if (route.link === name) this.routes.delete(key);
    for (const other of [...this.links.values()]) {
      if (other.vxlan?.underlay === name) this.#deleteLink(other);
    }
  }

  #replaceRoute(route: FakeRoute): void {
    const link = this.#link(route.link);
    if (!link.up) throw new Refused("Error: Device for nexthop is not up.");
    if (!route.onlink && !link.addresses.some((each) => isNear(each, route.gateway))) {
      throw new Refused("Error: Nexthop has invalid gateway.");
    }
    this.routes.set(route.subnet, route);
  }

  #forget(table: Map<string, string>, link: string): void {
    for (const key of table.keys()) if (key.startsWith(`${link} `)) table.delete(key);
  }

  #link(name: string): FakeLink {
    const link = this.links.get(name);
    if (link === undefined) throw new Refused(`Cannot find device "${name}"`);
    return link;
  }

  #show(program: string, args: readonly string[]): unknown[] {
    const family = args.includes("-6") ? 6 : 4;
    const isWanted = (text: string) => text.includes(":") === (family === 6);
    if (program === "bridge") {
      return [...this.fdb].map(([key, dst]) => {
        const [ifname, mac] = key.split(" ");
        return { mac, ifname, dst, flags: ["self"], state: "permanent" };
      });
    }
    if (args.includes("link")) return [...this.links.values()].map(showLink);
    if (args.includes("address")) {
      return [...this.links.values()].map(({ name, addresses }) => ({
        ifname: name,
        addr_info: addresses.map(({ address, prefixLength }) => ({
          family: address.includes(":") ? "inet6" : "inet",
          local: address,
          prefixlen: prefixLength,
          scope: "global",
        })),
      }));
    }
    if (args.includes("neigh")) {
      return [...this.neighbours].flatMap(([key, lladdr]) => {
        const [dev, dst] = key.split(" ");
        return isWanted(dst!) ? [{ dst, dev, lladdr, state: ["PERMANENT"] }] : [];
      });
    }
    return [...this.routes.values()].filter(({ subnet }) => isWanted(subnet)).map((route) => ({
      dst: route.subnet,
      gateway: route.gateway,
      dev: route.link,
      protocol: route.protocol,
      flags: route.onlink ? ["onlink"] : [],
    }));
  }
}

function showLink({ name, mac, mtu, up, kind, vxlan }: FakeLink): unknown {
  const data = vxlan && {
    id: vxlan.vni,
    [vxlan.local.includes(":") ? "local6" : "local"]: vxlan.local,
    link: vxlan.underlay,
    port: vxlan.port,
    learning: vxlan.learning,
    ...(vxlan.gbp && { gbp: true }),
  };
  return {
    ifname: name,
    flags: ["BROADCAST", ...(up ? ["UP", "LOWER_UP"] : [])],
    mtu,
    txqlen: vxlan?.txQueueLength ?? 1000,
    address: mac,
    ...(kind !== "" && { linkinfo: { info_kind: kind, info_data: data } }),
  };
}

function parseAddress(text: string): { address: string; prefixLength: number } {
  const [address, prefix] = text.split("/");
  return { address: address!, prefixLength: Number(prefix) };
}

/** Whether an address is on a card's own network, for prefixes of whole bytes and groups. */
function isNear(own: { address: string; prefixLength: number }, address: string): boolean {
  const width = own.address.includes(":") ? 16 : 8;
  const separator = width === 16 ? ":" : ".";
  const parts = own.prefixLength / width;
  return own.address.split(separator).slice(0, parts).join(separator) ===
    address.split(separator).slice(0, parts).join(separator);
}

function done(stdout: string): ExecResult {
  return { code: 0, stdout, stderr: "" };
}
