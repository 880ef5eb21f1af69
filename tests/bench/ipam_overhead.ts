/**
 * What the IPAM plugin costs a pod's start: an ADD through it against one of plain host-local. Prints
 * Markdown. Variants are the source and, if EDGE_AGENT_BINARY names it, the compiled binary (built with
 * `deno task compile --read /tmp --write /tmp`, since the bench's files are there).
 *
 * Run: deno run -A tests/bench/ipam_overhead.ts [--rounds N]
 *
 * @module
 */

import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createFs } from "../../src/platform/fs.ts";
import { renderShim } from "../../src/snapshot/ipam/shim.ts";
import { realHostLocal } from "../testing/real_host_local.ts";
import { describeMachine, memoryOf } from "./process_figures.ts";
import { type Figures, formatOutcomes, runRounds, type Variant } from "./rounds.ts";

const MAIN = join(import.meta.dirname!, "..", "..", "main.ts");
/** ADDs at once, as after a reboot. */
const CROWD = 30;
/** Long enough for a program to have started and to wait for its lock, ms. */
const STARTED_MS = 400;

/** A way to get an address. */
interface Program {
  readonly argv: readonly string[];
  /** The lock that it takes before it does anything, below the bench's folder. */
  readonly lock: string;
}

/** A folder with a network of its own, and calls of a plugin in it. */
class Bench {
  readonly #fs = createFs();
  #containers = 0;
  constructor(readonly root: string, readonly cniPath: string) {}

  spawn({ argv }: Program): Deno.ChildProcess {
    const id = `bench${this.#containers++}`;
    return new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      env: {
        PATH: `${this.cniPath}:${Deno.env.get("PATH")}`,
        EDGE_AGENT_ROOT: this.root,
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: id,
        CNI_NETNS: `${this.root}/netns`,
        CNI_IFNAME: "eth0",
        CNI_PATH: this.cniPath,
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${id}`,
      },
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  async add(program: Program): Promise<void> {
    const child = this.spawn(program);
    await this.#feed(child);
    const { code } = await child.status;
    if (code !== 0) throw new Error(`${program.argv.join(" ")} ended with ${code}`);
  }

  /** Time of one ADD, ms. */
  async timeOfOne(program: Program): Promise<number> {
    const started = performance.now();
    await this.add(program);
    return performance.now() - started;
  }

  /** Time until many at once have ended, ms. */
  async timeOfCrowd(program: Program): Promise<number> {
    const started = performance.now();
    await Promise.all(Array.from({ length: CROWD }, () => this.add(program)));
    return performance.now() - started;
  }

  /** CPU of an ADD with its children, ms, as the shell counts it. */
  async cpuOf({ argv, lock }: Program): Promise<number> {
    const script = `TIMEFORMAT='%3U %3S'; time "$0" "$@"`;
    const child = this.spawn({
      argv: ["bash", "-c", `{ ${script}; } 2>${this.root}/cpu`, ...argv],
      lock,
    });
    await this.#feed(child);
    await child.status;
    const [user, system] = (await this.#fs.readText(`${this.root}/cpu`)).trim().split(" ");
    return (Number(user) + Number(system)) * 1_000;
  }

  /** The most memory that a program has used when it is about to allocate, MB. */
  async memoryOf(program: Program): Promise<number> {
    const lock = await this.#fs.lock(`${this.root}/${program.lock}`, 5_000);
    const child = this.spawn(program);
    await this.#feed(child);
    await new Promise((resolve) => setTimeout(resolve, STARTED_MS));
    const pids = await familyOf(child.pid);
    const peaks = await Promise.all(pids.map(async (pid) => (await memoryOf(pid)).peak));
    lock?.[Symbol.dispose]();
    await child.status;
    return Math.max(...peaks);
  }

  async #feed(child: Deno.ChildProcess): Promise<void> {
    const conf = {
      cniVersion: "0.3.1",
      name: "cbr0",
      ipam: {
        type: "edge-agent",
        dataDir: `${this.root}/networks`,
        ranges: [[{ subnet: "10.0.0.0/16" }]],
      },
    };
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(conf)));
    await writer.close();
  }
}

async function measure(program: Program, cniPath: string): Promise<Figures> {
  const root = await mkdtemp("/tmp/edge-agent-ipam-bench-");
  try {
    const bench = new Bench(root, cniPath);
    await mkdir(`${root}/run/edge-agent`, { recursive: true });
    // Once for what is made at the first time.
    await bench.add(program);
    return {
      "one ADD, ms": await bench.timeOfOne(program),
      "CPU, ms": await bench.cpuOf(program),
      "peak RSS, MB": await bench.memoryOf(program),
      [`${CROWD} at once, ms`]: await bench.timeOfCrowd(program),
    };
  } finally {
    await rm(root, { recursive: true });
  }
}

/** A process and all below: the plugin is a script that starts the agent. */
async function familyOf(pid: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  const children = text.split(" ").filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(familyOf))).flat()];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "9" } } });
  const cniPath = await realHostLocal();
  if (cniPath === undefined) return 1;
  const folder = await mkdtemp("/tmp/edge-agent-ipam-shim-");
  const own = "run/edge-agent/ipam.lock";
  const programs: [string, Program][] = [
    ["host-local", { argv: [join(cniPath, "host-local")], lock: "networks/cbr0/lock" }],
    ["plugin, source", { argv: [Deno.execPath(), "run", "--quiet", "-A", MAIN], lock: own }],
  ];
  const binary = Deno.env.get("EDGE_AGENT_BINARY");
  if (binary !== undefined) {
    const shim = join(folder, "edge-agent");
    await writeFile(shim, renderShim([binary], "/var/lib/edge-agent"));
    await chmod(shim, 0o755);
    programs.push(["plugin, binary", { argv: [shim], lock: own }]);
  }
  try {
    const variants = programs.map(([name, program]): Variant => ({
      name,
      ...(name !== "host-local" && { baseline: "host-local" }),
      measure: () => measure(program, cniPath),
    }));
    const outcomes = await runRounds(variants, Number(values.rounds));
    const text = `${describeMachine()}\n\n${formatOutcomes(outcomes)}`;
    await Deno.stdout.write(new TextEncoder().encode(text));
    return 0;
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exitCode = await main();
