/**
 * The agent as it runs on a node: a service of the machine, which ends with its power.
 *
 * @module
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Cluster } from "../cluster.ts";
import { writeKubeconfig } from "../kubeconfig.ts";
import { until } from "../poll.ts";
import type { Machine, Service } from "./machine.ts";

const CONFIG = "/var/lib/edge-agent.yaml";
const STATE = "/var/lib/edge-agent";
/** Where the kubelet keeps its client certificate and key: a link to the newest. */
export const KUBELET_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/** How long anything may take on a busy machine. */
const PATIENCE_MS = 30_000;

/** An agent whose port and state outlive it. */
export class NodeAgent {
  readonly #machine: Machine;
  readonly #url: string;
  #service: Service | undefined;
  /** Length of the log when it was last started. */
  #logStart = 0;

  private constructor(machine: Machine, url: string) {
    this.#machine = machine;
    this.#url = url;
  }

  /** Writes its config with a `proxy` section laid over the defaults of the tests; not started yet. */
  static async install(
    machine: Machine,
    cluster: Cluster,
    section: Record<string, unknown>,
  ): Promise<NodeAgent> {
    const { server, caFile } = cluster;
    const listen = `127.0.0.1:${freePort()}`;
    const config = {
      stateDir: STATE,
      admin: { listen: `127.0.0.1:${freePort()}` },
      proxy: { listen, upstream: { server, caFile }, ...section },
    };
    await mkdir(machine.outside("/var/lib"), { recursive: true });
    // JSON is YAML.
    await writeFile(machine.outside(CONFIG), JSON.stringify(config, null, 2));
    return new NodeAgent(machine, `https://${listen}`);
  }

  /** Starts it, again on the same state after a power cut, and waits until it serves. */
  async start(): Promise<void> {
    const [main, denoJson] = ["main.ts", "deno.json"].map((file) =>
      fileURLToPath(new URL(`../../../${file}`, import.meta.url))
    );
    this.#logStart = (await this.#service?.log() ?? "").length;
    this.#service = this.#machine.start("edge-agent", [
      ...["env", "NO_COLOR=1", Deno.execPath(), "run", "-A", `--config=${denoJson}`, main!],
      ...["run", "--config", CONFIG],
    ]);
    await this.logged("serving the API");
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
        const text = (await service.log()).slice(this.#logStart);
        if (text.includes(`"message":"${message}"`)) return true;
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
}

/** One that nobody listens on; the next to ask for any gets another. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
