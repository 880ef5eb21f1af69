/**
 * The agent as it runs on a node: a service of the machine, which ends with its power.
 *
 * @module
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cluster } from "../cluster.ts";
import type { CommandResult } from "../command.ts";
import { writeKubeconfig } from "../kubeconfig.ts";
import { until } from "../poll.ts";
import type { Machine, Service } from "./machine.ts";

/** Where a machine has its config that has no `/etc` of its own. */
const CONFIG = "/var/lib/edge-agent.yaml";
const STATE = "/var/lib/edge-agent";
/** Where the kubelet keeps its client certificate and key: a link to the newest. */
export const KUBELET_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem";

const [MAIN, DENO_JSON] = ["main.ts", "deno.json"].map((file) =>
  fileURLToPath(new URL(`../../../${file}`, import.meta.url))
);

/** The agent of this checkout, which every machine sees. */
const PROGRAM = [
  ...["env", "NO_COLOR=1", Deno.execPath(), "run", "-A", `--config=${DENO_JSON}`, MAIN!],
];

/** How long anything may take on a busy machine. */
const PATIENCE_MS = 30_000;

/** An agent whose port and state outlive it. */
export class NodeAgent {
  readonly #machine: Machine;
  readonly #url: string;
  readonly #config: string;
  #service: Service | undefined;
  /** Length of the log when it was last started. */
  #logStart = 0;

  private constructor(machine: Machine, url: string, config: string) {
    this.#machine = machine;
    this.#url = url;
    this.#config = config;
  }

  /**
   * Writes its config with a `proxy` section laid over the defaults of the tests, and other sections as
   * they are; not started yet.
   */
  static async install(
    machine: Machine,
    cluster: Cluster,
    section: Record<string, unknown>,
    others: Record<string, unknown> = {},
    configPath: string = CONFIG,
  ): Promise<NodeAgent> {
    const { server, caFile } = cluster;
    const listen = `127.0.0.1:${freePort()}`;
    const config = {
      stateDir: STATE,
      admin: { listen: `127.0.0.1:${freePort()}` },
      proxy: { listen, upstream: { server, caFile }, ...section },
      ...others,
    };
    const outside = machine.outside(configPath);
    await mkdir(dirname(outside), { recursive: true });
    // JSON is YAML.
    await writeFile(outside, JSON.stringify(config, null, 2));
    return new NodeAgent(machine, `https://${listen}`, configPath);
  }

  /** Changes its config, which counts with the next start. */
  // deno-lint-ignore no-explicit-any -- as any user may write it
  async change(edit: (config: any) => void): Promise<void> {
    const path = this.#machine.outside(this.#config);
    const config = JSON.parse(await readFile(path, "utf8"));
    edit(config);
    await writeFile(path, JSON.stringify(config, null, 2));
  }

  /** Starts it, again on the same state after a power cut, and waits until it serves. */
  async start(): Promise<void> {
    this.#logStart = (await this.#service?.log() ?? "").length;
    this.#service = this.#machine.start("edge-agent", this.#commandLine("run"));
    await this.logged("serving the API");
  }

  /** Runs another command with the same config to its end, as an operator or a unit would. */
  async run(...command: string[]): Promise<CommandResult> {
    return await this.#machine.run(this.#commandLine(...command), { allowFailure: true });
  }

  /** Installs it as a program of another name, as a CNI plugin is: it finds its config by itself. */
  async installAs(path: string): Promise<void> {
    const words = PROGRAM.map((word) => `'${word}'`).join(" ");
    const outside = this.#machine.outside(path);
    await mkdir(dirname(outside), { recursive: true });
    await writeFile(outside, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  }

  /** Waits until a text is in its state on the disk, which changes reach in batches. */
  async onDisk(text: string): Promise<void> {
    const files = ["state.db", "state.db-wal"].map((name) =>
      this.#machine.outside(`${STATE}/${name}`)
    );
    await until(`"${text}" to be on the agent's disk`, async () => {
      const contents = await Promise.all(files.map((file) => readFile(file, "latin1")));
      return contents.some((content) => content.includes(text));
    });
  }

  /** All that it has logged since it was last started. */
  async log(): Promise<string> {
    return (await this.#service?.log() ?? "").slice(this.#logStart);
  }

  /** Ends it without a warning. */
  async kill(): Promise<void> {
    await this.#service?.stop("KILL");
  }

  /** Waits until it has logged a message since it was started. */
  async logged(message: string): Promise<void> {
    const service = this.#service;
    if (!service) throw new Error("Cannot wait for the agent: it was not started");
    try {
      await until(`the agent to log "${message}"`, async () => {
        if ((await this.log()).includes(`"message":"${message}"`)) return true;
        service.assertRunning();
      }, { timeoutMs: PATIENCE_MS });
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\n${await service.tail()}`, { cause });
    }
  }

  /** Path of the kubeconfig that it wrote for an identity. */
  kubeconfig(identity: string): string {
    return this.#machine.outside(`${STATE}/kubeconfigs/${identity}.kubeconfig`);
  }

  /** A kubeconfig with a client certificate of the cluster and no token, as the kubelet has one. */
  async certificateKubeconfig({ certFiles: { node } }: Cluster): Promise<string> {
    return await writeKubeconfig({
      path: this.#machine.outside("/var/lib/certificate.kubeconfig"),
      server: this.#url,
      caFile: this.#machine.outside(`${STATE}/pki/ca.crt`),
      user: "node",
      certFiles: node,
    });
  }

  /** A kubeconfig with a bearer token. */
  async tokenKubeconfig(token: string): Promise<string> {
    const path = this.#machine.outside("/var/lib/token.kubeconfig");
    const ca = await readFile(this.#machine.outside(`${STATE}/pki/ca.crt`), "base64");
    const cluster = { server: this.#url, "certificate-authority-data": ca };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "agent", cluster }],
      users: [{ name: "bearer", user: { token } }],
      contexts: [{ name: "agent", context: { cluster: "agent", user: "bearer" } }],
      "current-context": "agent",
    };
    await writeFile(path, JSON.stringify(config, null, 2), { mode: 0o600 });
    return path;
  }

  #commandLine(...command: string[]): string[] {
    return [...PROGRAM, ...command, "--config", this.#config];
  }
}

/** One that nobody listens on; the next to ask for any gets another. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
