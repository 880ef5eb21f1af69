/**
 * What the snapshot module costs: a restore of many peers against the bare `ip -batch` of the same lines, a look
 * at everything, and the running agent. Prints Markdown. Needs root, for a network namespace; EDGE_AGENT_BINARY
 * adds the compiled binary (built with `deno task compile --read /tmp --write /tmp`, since the bench's files are
 * there).
 *
 * Run: deno run -A tests/bench/snapshot_figures.ts [--rounds N]
 *
 * @module
 */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/kernel/clock.ts";
import { createFs } from "../../src/platform/fs.ts";
import { collect } from "../../src/snapshot/collect.ts";
import { readKernelState } from "../../src/snapshot/kernel_state.ts";
import type { Network } from "../../src/snapshot/model.ts";
import { batchesOf, formatOperation } from "../../src/snapshot/operation.ts";
import { plan } from "../../src/snapshot/plan.ts";
import { restoreNetwork } from "../../src/snapshot/restore.ts";
import { formatSnapshot } from "../../src/snapshot/snapshot_file.ts";
import { ScratchHost } from "../cluster/snapshot/scratch_host.ts";
import { until } from "../cluster/poll.ts";
import { flannelLink, networkOf, vxlanPeer } from "../testing/flannel_network.ts";
import { describeMachine, memoryOf } from "./process_figures.ts";
import { type Figures, formatOutcomes, runRounds, type Variant } from "./rounds.ts";

const NODE = { name: "bench", machineId: "" };
const SUBNET_ENV = "FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET=10.244.1.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
/** How long the running agent is watched, and how often it looks at everything meanwhile, s. */
const WATCHED_S = 20;
const LOOK_S = 2;

function networkWith(peers: number): Network {
  return networkOf({
    links: [flannelLink()],
    peers: Array.from({ length: peers }, (_, i) => vxlanPeer(i + 2)),
    subnetEnv: SUBNET_ENV,
  });
}

/** A host as it is after its boot, and a folder that stands for its disk. */
async function bootedHost(network: Network): Promise<{
  host: ScratchHost;
  root: string;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const host = await ScratchHost.create(["192.168.5.1/16"]);
  const root = await mkdtemp("/tmp/edge-agent-snapshot-bench-");
  const state = join(root, "var/lib/edge-agent");
  await mkdir(state, { recursive: true });
  await mkdir(join(root, "etc/edge-agent"), { recursive: true });
  const config = {
    admin: { listen: "127.0.0.1:51004" },
    snapshot: {
      nodeName: NODE.name,
      verifyInterval: `${LOOK_S}s`,
      underlayWait: "1s",
      ipam: { sticky: false },
    },
  };
  await writeFile(join(root, "etc/edge-agent/config.yaml"), JSON.stringify(config));
  const snapshot = { node: NODE, bootId: "", takenAt: "", generation: 1, network };
  await writeFile(join(state, "network.json"), formatSnapshot(snapshot), { mode: 0o600 });
  return {
    host,
    root,
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<Figures> {
  const started = performance.now();
  await work();
  return { ms: performance.now() - started };
}

/** The lines that a restore runs, by hand. */
async function timeOfBatches(network: Network): Promise<Figures> {
  await using booted = await bootedHost(network);
  const { exec } = booted.host;
  const { links, peers } = network;
  const batches = batchesOf(plan(await readKernelState(exec), { links, peers }));
  return await timed(async () => {
    for (const { program, operations } of batches) {
      const stdin = operations.map((each) => formatOperation(each) + "\n").join("");
      const { code, stderr } = await exec.run([program, "-force", "-batch", "-"], { stdin });
      if (code !== 0) throw new Error(stderr);
    }
  });
}

async function timeOfRestore(network: Network): Promise<Figures> {
  await using booted = await bootedHost(network);
  const ports = { exec: booted.host.exec, fs: createFs(booted.root), clock: systemClock };
  return await timed(async () => {
    const { refused } = await restoreNetwork(network, ports, { waitMs: 0 });
    if (refused.length > 0) throw new Error(refused[0]!.why);
  });
}

async function timeOfCollect(network: Network): Promise<Figures> {
  await using booted = await bootedHost(network);
  const ports = { exec: booted.host.exec, fs: createFs(booted.root), clock: systemClock };
  await restoreNetwork(network, ports, { waitMs: 0 });
  return await timed(() => collect(ports.exec, ports.fs));
}

async function timeOfCommand(network: Network, binary: string): Promise<Figures> {
  await using booted = await bootedHost(network);
  const { host, root } = booted;
  return await timed(async () => {
    const argv = [binary, "snapshot", "restore", "--root", root];
    const { code, stdout, stderr } = await host.exec.run(argv);
    if (code !== 0 || !stdout.includes("put back")) throw new Error(stdout + stderr);
  });
}

/** Memory and CPU, those of the programs that it runs included, of a running agent that holds a network. */
async function costOfRunning(network: Network, binary: string): Promise<Figures> {
  await using booted = await bootedHost(network);
  const { host, root } = booted;
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", host.namespace, binary, "snapshot", "run", "--root", root],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await until("the network to be restored", async () => {
      const { routes } = await readKernelState(host.exec);
      return routes.length >= network.peers.length;
    }, { timeoutMs: 30_000 });
    const before = await cpuOf(child.pid);
    await new Promise((resolve) => setTimeout(resolve, WATCHED_S * 1_000));
    const cpuMs = await cpuOf(child.pid) - before;
    const { rss, peak } = await memoryOf(child.pid);
    return { "RSS, MB": rss, "peak RSS, MB": peak, "CPU per look, ms": cpuMs / WATCHED_S * LOOK_S };
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

/** CPU of a process and of its children that have ended, ms. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * 10;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
  const binary = Deno.env.get("EDGE_AGENT_BINARY");
  const print = (text: string) => Deno.stdout.write(new TextEncoder().encode(text));
  await print(`${describeMachine()}\n\n`);
  const rounds = Number(values.rounds);
  for (const peers of [10, 2_000]) {
    const network = networkWith(peers);
    const baseline = `${peers} peers: the same lines by \`ip -batch\``;
    const times: Variant[] = [
      { name: baseline, measure: () => timeOfBatches(network) },
      { name: `${peers} peers: restore`, baseline, measure: () => timeOfRestore(network) },
      {
        name: `${peers} peers: a look at everything`,
        baseline,
        measure: () => timeOfCollect(network),
      },
    ];
    if (binary !== undefined) {
      const name = `${peers} peers: \`snapshot restore\`, the whole command`;
      times.push({ name, baseline, measure: () => timeOfCommand(network, binary) });
    }
    await print(`${formatOutcomes(await runRounds(times, rounds))}\n`);
  }
  if (binary === undefined) return;
  const running = [10, 2_000].map((peers): Variant => ({
    name: `\`snapshot run\`, ${peers} peers`,
    measure: () => costOfRunning(networkWith(peers), binary),
  }));
  await print(formatOutcomes(await runRounds(running, 1)));
}

if (import.meta.main) await main();
