import assert from "node:assert/strict";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/kernel/clock.ts";
import { createFs } from "../../src/platform/fs.ts";
import { adopt, leave } from "../../src/snapshot/ipam/adoption.ts";
import { installShim } from "../../src/snapshot/ipam/install.ts";
import { ipamPaths } from "../../src/snapshot/ipam/ipam_paths.ts";
import { runWithInput } from "../testing/run_with_input.ts";

const MAIN = join(import.meta.dirname!, "..", "..", "main.ts");
const PLUGINS = ["flannel", "bridge", "host-local"];

/** The folder with the real plugins; undefined, with a printed reason, when this can't run here. */
async function pluginFolder(): Promise<string | undefined> {
  const folder = Deno.env.get("EDGE_AGENT_CNI_PATH") ?? "/opt/cni/bin";
  const isThere = (name: string) => access(join(folder, name)).then(() => true, () => false);
  const missing: string[] = [];
  for (const name of PLUGINS) if (!await isThere(name)) missing.push(name);
  const why = Deno.uid() !== 0
    ? "it needs root"
    : missing.length > 0
    ? `${folder} (EDGE_AGENT_CNI_PATH) has no ${missing.join(", ")}`
    : undefined;
  if (why === undefined) return folder;
  Deno.stderr.writeSync(
    new TextEncoder().encode(`skipped: the IPAM plugin below the real flannel CNI: ${why}\n`),
  );
  return undefined;
}

const folder = await pluginFolder();

const run = (argv: readonly string[], env: Record<string, string> = {}, stdin = "") =>
  runWithInput(argv, stdin, { env });

/** A host in a network namespace, with flannel's plugin chain and sandboxes in namespaces of their own. */
class Lab implements AsyncDisposable {
  readonly #namespaces: string[] = [];
  readonly #host = this.#name("host");
  readonly bin: string;
  private constructor(readonly root: string) {
    this.bin = join(root, "opt/cni/bin");
  }

  static async create(plugins: string): Promise<Lab> {
    const lab = new Lab(await mkdtemp("/tmp/edge-agent-flannel-"));
    await mkdir(lab.bin, { recursive: true });
    for (const name of PLUGINS) await copyFile(join(plugins, name), join(lab.bin, name));
    const agent = Deno.env.get("EDGE_AGENT_BINARY") ?? join(lab.root, "agent");
    if (Deno.env.get("EDGE_AGENT_BINARY") === undefined) {
      await writeFile(agent, `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet -A '${MAIN}'\n`);
      await chmod(agent, 0o755);
    }
    await installShim(lab.ports(), [agent], "/var/lib/edge-agent");
    await writeFile(
      join(lab.root, "subnet.env"),
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
    );
    await lab.#netns(lab.#host);
    return lab;
  }

  ports() {
    return { fs: createFs(), clock: systemClock, paths: ipamPaths(this.root) };
  }

  network() {
    return {
      name: "cbr0",
      dataDir: join(this.root, "nets"),
      scratchDir: join(this.root, "scratch"),
    };
  }

  /** A sandbox in a namespace of its own; the addresses of its eth0. */
  async start(pod: string, id: string, ipamType = "edge-agent"): Promise<string[]> {
    await this.#netns(this.#name(id));
    const { code, stdout, stderr } = await this.#cni("ADD", pod, id, ipamType);
    assert.equal(code, 0, stdout + stderr);
    return JSON.parse(stdout).ips.map(({ address }: { address: string }) => address);
  }

  /** As after a reboot: the namespace is gone before the runtime asks for the end. */
  async end(pod: string, id: string): Promise<void> {
    await run(["ip", "netns", "del", this.#name(id)]);
    const { code, stdout, stderr } = await this.#cni("DEL", pod, id, "edge-agent", "");
    assert.equal(code, 0, stdout + stderr);
  }

  async store(): Promise<Record<string, string>> {
    const dir = join(this.root, "nets/cbr0");
    const names = (await readdir(dir)).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name));
    const entries = names.map(async (name) => [name, await readFile(join(dir, name), "utf8")]);
    return Object.fromEntries(await Promise.all(entries));
  }

  #name(id: string): string {
    return `ea-${Deno.pid}-${id}`;
  }

  async #netns(name: string): Promise<void> {
    const { code, stderr } = await run(["ip", "netns", "add", name]);
    assert.equal(code, 0, stderr);
    this.#namespaces.push(name);
  }

  #cni(
    command: string,
    pod: string,
    id: string,
    type: string,
    netns = `/run/netns/${this.#name(id)}`,
  ) {
    const conf = {
      name: "cbr0",
      cniVersion: "0.3.1",
      type: "flannel",
      subnetFile: join(this.root, "subnet.env"),
      dataDir: this.network().scratchDir,
      ipam: { type, dataDir: this.network().dataDir },
      delegate: { hairpinMode: true, isDefaultGateway: true },
    };
    return run(["ip", "netns", "exec", this.#host, join(this.bin, "flannel")], {
      EDGE_AGENT_ROOT: this.root,
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_PATH: this.bin,
      CNI_ARGS:
        `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_UID=u-${pod}`,
    }, JSON.stringify(conf));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#namespaces) await run(["ip", "netns", "del", name]);
    await rm(this.root, { recursive: true });
  }
}

Deno.test({
  name:
    "S33 real flannel CNI, bridge and host-local: a restarted pod keeps its address, and undo leaves no trace",
  ignore: folder === undefined,
  fn: async () => {
    await using lab = await Lab.create(folder!);
    const first = await lab.start("web-0", "a1");
    await lab.start("web-1", "b1");
    const older = await lab.start("old-0", "c1", "host-local");
    await adopt(lab.ports(), lab.network());
    await lab.end("web-0", "a1");
    await lab.end("old-0", "c1");
    assert.deepEqual(Object.values(await lab.store()).sort(), [
      "b1\r\neth0",
      "edge-agent-hold\r\ndefault/old-0",
      "edge-agent-hold\r\ndefault/web-0",
    ]);
    await lab.start("new", "d1");
    assert.deepEqual(await lab.start("web-0", "a2"), first);
    assert.deepEqual(await lab.start("old-0", "c2"), older);

    await leave(lab.ports(), lab.network());
    assert.deepEqual((await readdir(lab.bin)).sort(), PLUGINS.toSorted());
    for (const [pod, id] of [["web-0", "a2"], ["web-1", "b1"], ["old-0", "c2"], ["new", "d1"]]) {
      await lab.end(pod!, id!);
    }
    assert.deepEqual(await lab.store(), {});
    assert.deepEqual(await readdir(lab.network().scratchDir), []);
  },
});
