/**
 * The agent as a name server beside a real cloud, asked with dig.
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentProcess } from "../../testing/agent_process.ts";
import { installTools } from "../apt.ts";
import { run } from "../command.ts";
import type { Site } from "./site.ts";

const TOOLS = { dig: "bind9-dnsutils", kdig: "knot-dnsutils" } as const;

/** What dig shows of one reply. */
export interface Said {
  readonly status: string;
  readonly flags: readonly string[];
  /** Sorted, in lower case; serials left out. */
  readonly records: readonly string[];
  /** Of the OPT record. */
  readonly extendedError?: string;
}

/** An agent with `proxy` and `dns` whose port and state outlive it. */
export class DnsAgent implements AsyncDisposable {
  readonly port: number;
  readonly #config: string;
  #process: AgentProcess | undefined;

  private constructor(port: number, config: string) {
    this.port = port;
    this.#config = config;
  }

  /** Writes its config; not started yet. */
  static async install(site: Site, dns: Record<string, unknown> = {}): Promise<DnsAgent> {
    await installTools(TOOLS);
    const folder = await site.directory();
    const { server, caFile } = site.cluster;
    const port = freePort();
    const config = {
      stateDir: join(folder, "state"),
      log: { format: "json" },
      admin: { listen: "127.0.0.1:0" },
      proxy: {
        listen: "127.0.0.1:0",
        upstream: { server, caFile },
        identities: [{ ...site.admin, name: "coredns" }],
      },
      dns: {
        listen: `127.0.0.1:${port}`,
        forward: { resolvConf: join(folder, "resolv.conf") },
        ...dns,
      },
    };
    await mkdir(config.stateDir, { mode: 0o700 });
    await writeFile(join(folder, "resolv.conf"), "");
    const path = join(folder, "config.yaml");
    await writeFile(path, JSON.stringify(config));
    return site.use(new DnsAgent(port, path));
  }

  /** Starts it and waits until it listens. */
  async start(): Promise<void> {
    this.spawn();
    await this.logged("answering");
  }

  /** Starts it and returns at once. */
  spawn(): void {
    this.#process = new AgentProcess(["run", "--config", this.#config]);
  }

  /** Waits for a message in its log. */
  async logged(message: string): Promise<Record<string, unknown>> {
    return await this.#process!.logged(message);
  }

  /** Ends it as a shutdown does. */
  async stop(): Promise<void> {
    this.#process?.kill("SIGTERM");
    await this.#process?.exit();
    this.#process = undefined;
  }

  /** Runs another command with the same config. */
  async run(...args: string[]): Promise<string> {
    await using process = new AgentProcess([...args, "--config", this.#config]);
    await process.exit();
    return process.stdout + process.stderr;
  }

  /** Asks it one question. */
  async dig(name: string, type: string, ...options: string[]): Promise<Said> {
    const [said] = await dig(this.port, [{ name, type }], options);
    return said!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
  }
}

/** Asks a server on this host many questions with one dig. */
export async function dig(
  port: number,
  questions: readonly { name: string; type: string }[],
  options: readonly string[] = [],
): Promise<Said[]> {
  const stdin = questions.map(({ name, type }) => `${name}. ${type}\n`).join("");
  const fixed = ["+noall", "+comments", "+answer", "+authority", "+additional", "+nocookie"];
  const patience = ["+tries=1", "+time=8"];
  const argv = ["dig", "@127.0.0.1", "-p", `${port}`, ...fixed, ...patience, ...options, "-f", "-"];
  const { stdout } = await run(argv, { stdin, allowFailure: true, timeoutMs: 120_000 });
  const replies = stdout.split(";; Got answer:").slice(1);
  if (replies.length !== questions.length) {
    throw new Error(
      `${replies.length} of ${questions.length} were answered: ${stdout.slice(-500)}`,
    );
  }
  return replies.map(parseReply);
}

function parseReply(text: string): Said {
  const extendedError = /^; EDE: (.*)$/m.exec(text)?.[1];
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? "",
    flags: /flags: ([\w ]*);/.exec(text)?.[1]?.split(" ") ?? [],
    records: text.split("\n").filter((line) => /^[^;\s]/.test(line))
      .map((line) =>
        line.toLowerCase().replace(/\s+/g, " ").replace(/(hostmaster\.\S+ )\d+/, "$1…")
      )
      .sort(),
    ...(extendedError !== undefined && { extendedError }),
  };
}

/** A port that is free for UDP and TCP. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** The first reply of a server that is just starting. */
export async function firstAnswer(
  port: number,
  name: string,
): Promise<{ rcode: number; atMs: number }> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    const labels = name.split(".").flatMap((label) => [
      label.length,
      ...new TextEncoder().encode(label),
    ]);
    const packet = Uint8Array.of(0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1);
    const server = { transport: "udp", hostname: "127.0.0.1", port } as const;
    let sending = true;
    const asking = (async () => {
      while (sending) {
        await socket.send(packet, server).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    try {
      for (;;) {
        // Nobody listens yet: the kernel says so here.
        const received = await socket.receive().catch(() => undefined);
        if (received) return { rcode: received[0][3]! & 15, atMs: performance.now() };
      }
    } finally {
      sending = false;
      await asking;
    }
  } finally {
    socket.close();
  }
}
