/**
 * The network between the hosts of a site: a bridge in a network namespace that nothing but a process
 * of ours holds, so it ends with the test, however that ends.
 *
 * @module
 */

import { run, saysGone } from "../command.ts";
import { TextLineStream } from "../lines.ts";

/** Addresses of a LAN, the same in every site, as no two sites meet. */
export const LAN = {
  /** The router, by which a host believes to reach the rest of the world. */
  gateway: "10.206.0.1",
  prefix: 24,
  gateway6: "fd00:206::1",
  prefix6: 64,
} as const;

/** A switch with a router behind it that answers and leads nowhere. */
export class Lan implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** Makes the namespace and the bridge. */
  static async create(): Promise<Lan> {
    const holder = new Deno.Command("unshare", {
      // What it says tells that the namespace is there; then it waits for the end of the test.
      args: ["--net", "sh", "-c", "echo; exec cat"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = holder.stdout.pipeThrough(new TextLineStream()).getReader();
    const { done } = await lines.read();
    if (done) {
      throw new Error(`Cannot make a LAN: unshare ended with ${(await holder.status).code}`);
    }
    await lines.cancel();
    const lan = new Lan(holder);
    try {
      await lan.#batch([
        "link set dev lo up",
        "link add dev lan type bridge",
        `address add ${LAN.gateway}/${LAN.prefix} dev lan`,
        `address add ${LAN.gateway6}/${LAN.prefix6} dev lan nodad`,
        "link set dev lan up",
      ]);
      return lan;
    } catch (error) {
      await lan[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Names the network namespace, as `ip link set netns` takes it. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** Takes the end of a cable that is in the namespace already. */
  async connect(port: string): Promise<void> {
    await this.#batch([`link set dev ${port} master lan`, `link set dev ${port} up`]);
  }

  /** Whether a port has a carrier; its other end sees the same. */
  async setCarrier(port: string, carrier: boolean): Promise<void> {
    await this.#batch([`link set dev ${port} ${carrier ? "up" : "down"}`]);
  }

  /** Pulls a cable out; one that is gone already is fine. */
  async remove(port: string): Promise<void> {
    const { code, stderr } = await run(this.#enter(["ip", "link", "del", "dev", port]), {
      allowFailure: true,
    });
    if (code !== 0 && !saysGone(stderr)) {
      throw new Error(`Cannot pull ${port} out of the LAN: ${stderr.trim()}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close().catch(() => {});
    await this.#holder.status;
  }

  async #batch(lines: readonly string[]): Promise<void> {
    await run(this.#enter(["ip", "-batch", "-"]), { stdin: lines.join("\n") + "\n" });
  }

  #enter(argv: readonly string[]): string[] {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`, "--", ...argv];
  }
}
