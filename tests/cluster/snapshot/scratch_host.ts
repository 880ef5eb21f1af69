/**
 * A network namespace with one card, in which the agent's own commands are run: the smallest real host.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { createExec, type Exec } from "../../../src/platform/exec.ts";
import { run } from "../command.ts";

/** The card's MAC. */
export const CARD_MAC = "02:00:00:00:00:01";

/** A host without processes; {@linkcode Exec} runs programs in it. */
export class ScratchHost implements AsyncDisposable {
  readonly namespace = `ea-scratch-${randomBytes(3).toString("hex")}`;
  readonly exec: Exec;

  private constructor() {
    const inside = ["ip", "netns", "exec", this.namespace];
    const exec = createExec();
    this.exec = {
      run: (argv, options) => exec.run([...inside, ...argv], options),
      lines: (argv, signal) => exec.lines([...inside, ...argv], signal),
    };
  }

  /** Makes the host, with a card `eth0` that is up and has these addresses. */
  static async create(addresses: readonly string[]): Promise<ScratchHost> {
    const host = new ScratchHost();
    await run(["ip", "netns", "add", host.namespace]);
    try {
      const card = ["name", "eth0", "address", CARD_MAC];
      // The other end stays in the same namespace: it is the wire's.
      await host.ip(["link", "add", ...card, "type", "veth", "peer", "name", "wire"]);
      for (const name of ["lo", "wire", "eth0"]) await host.ip(["link", "set", name, "up"]);
      for (const address of addresses) {
        const nodad = address.includes(":") ? ["nodad"] : [];
        await host.ip(["address", "add", address, "dev", "eth0", ...nodad]);
      }
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs `ip` in it; throws with what it said when it fails. */
  async ip(args: readonly string[]): Promise<void> {
    await run(["ip", "-n", this.namespace, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run(["ip", "netns", "del", this.namespace]);
  }
}
