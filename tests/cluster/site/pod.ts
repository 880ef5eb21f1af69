/**
 * A pod as far as its network goes: a network namespace on a host, and in it an echo server.
 *
 * @module
 */

import type { CommandOptions, CommandResult } from "../command.ts";
import type { Machine, Service } from "../node/machine.ts";
import { until } from "../poll.ts";

/** Which pod. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** One sandbox of a pod; after a reboot the pod has another. */
export class Pod {
  readonly id: PodName;
  readonly containerId: string;
  /** Path of the network namespace on its host. */
  readonly netns: string;
  /** Without the lengths of their prefixes. */
  readonly ips: readonly string[];
  readonly #machine: Machine;
  readonly #program: string;
  #echo: Promise<Service> | undefined;

  /** @param program path of the built runtime, which is the echo server too */
  constructor(
    machine: Machine,
    program: string,
    sandbox: Pick<Pod, "id" | "containerId" | "netns" | "ips">,
  ) {
    this.#machine = machine;
    this.#program = program;
    this.id = sandbox.id;
    this.containerId = sandbox.containerId;
    this.netns = sandbox.netns;
    this.ips = sandbox.ips;
  }

  /** The address that is in an Endpoints object. */
  get ip(): string {
    return this.ips[0]!;
  }

  /** Runs a command in the pod's network, with the host's files. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.#machine.run(["nsenter", `--net=${this.netns}`, "--", ...argv], options);
  }

  /** Whether an address echoes; see {@linkcode serveEcho}. */
  async hears(address: string, network: "tcp" | "udp" | "ping" = "tcp"): Promise<boolean> {
    const argv = network === "ping"
      ? ["busybox", "ping", "-c", "1", "-W", "1", address]
      : [this.#program, "ask", "-network", network, "-host", address];
    return (await this.run(argv, { allowFailure: true })).code === 0;
  }

  /** Lets it answer on TCP and UDP; once is enough. */
  async serveEcho(): Promise<void> {
    await (this.#echo ??= this.#startEcho());
  }

  async #startEcho(): Promise<Service> {
    const name = `echo-${this.containerId.slice(0, 12)}`;
    const argv = ["nsenter", `--net=${this.netns}`, "--", this.#program, "serve"];
    const service = this.#machine.start(name, argv);
    await until(`the echo server of ${this.id.name}`, async () => {
      service.assertRunning();
      return (await service.log()).includes("serving");
    }, { intervalMs: 10 });
    return service;
  }

  /** Ends what runs in it. */
  async stop(): Promise<void> {
    await (await this.#echo)?.stop();
  }
}
