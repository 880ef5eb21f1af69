/**
 * CoreDNS as a cluster's DNS, in the caller's network namespace.
 *
 * @module
 */

import { join } from "node:path";
import { until } from "./poll.ts";
import { Process } from "./process.ts";

/** Where CoreDNS gets what it answers with. */
export interface CoreDnsOptions {
  /** Path of the program. */
  readonly program: string;
  readonly kubeconfig: string;
  /** For its configuration and log; empty. */
  readonly folder: string;
  /** Zones beside `cluster.local`. */
  readonly zones?: readonly string[];
  /** Lines of its `kubernetes` section. */
  readonly settings?: readonly string[];
}

/** Starts in well under a second, and then waits up to 5 s for the API before it answers. */
const READY_TIMEOUT_MS = 30_000;

/** A running CoreDNS for the zone `cluster.local`. */
export class CoreDns implements AsyncDisposable {
  readonly #process: Process;
  readonly port: number;

  private constructor(process: Process, port: number) {
    this.#process = process;
    this.port = port;
  }

  /** Starts it and waits until it has what the API server knows. */
  static async start(options: CoreDnsOptions): Promise<CoreDns> {
    const { program, kubeconfig, folder, zones = [], settings = [] } = options;
    const served = ["cluster.local", ...zones];
    const [port, ready] = [freePort(), freePort()];
    const file = join(folder, "Corefile");
    await Deno.writeTextFile(
      file,
      `${served.map((zone) => `${zone}:${port}`).join(" ")} {
  bind 127.0.0.1
  ready 127.0.0.1:${ready}
  errors
  kubernetes ${served.join(" ")} {
${[`kubeconfig ${kubeconfig}`, ...settings].map((line) => `    ${line}`).join("\n")}
  }
}
`,
    );
    const logFile = join(folder, "coredns.log");
    const process = new Process({ name: "coredns", argv: [program, "-conf", file], logFile });
    const started = new CoreDns(process, port);
    try {
      await until("CoreDNS to be ready", async () => {
        process.assertRunning();
        const response = await fetch(`http://127.0.0.1:${ready}/ready`).catch(() => undefined);
        await response?.body?.cancel();
        // It is ready a moment before it listens, and a lost question costs 5 s.
        return response?.status === 200 && (await process.tail()).includes(`:${port} on `);
      }, { timeoutMs: READY_TIMEOUT_MS });
      return started;
    } catch (cause) {
      const log = await process.tail();
      await started[Symbol.asyncDispose]();
      throw new Error(`Cannot start CoreDNS: ${log}`, { cause });
    }
  }

  /** The addresses of a name, in order; none if there is no such name. */
  async resolve(name: string): Promise<string[]> {
    const nameServer = { ipAddr: "127.0.0.1", port: this.port };
    try {
      return (await Deno.resolveDns(`${name}.`, "A", { nameServer })).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** The reply to a query, both without their length, over TCP. */
  async exchange(packet: Uint8Array): Promise<Uint8Array> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await connection.write(Uint8Array.of(packet.length >> 8, packet.length & 0xff, ...packet));
    const read = async (count: number) => {
      const bytes = new Uint8Array(count);
      for (let at = 0; at < count;) {
        const more = await connection.read(bytes.subarray(at));
        if (more === null) throw new Error(`CoreDNS hung up after ${at} of ${count} bytes`);
        at += more;
      }
      return bytes;
    };
    const [high, low] = await read(2);
    return await read(high! << 8 | low!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop("SIGKILL");
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
