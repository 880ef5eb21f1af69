/**
 * The machine that a node is: processes, mounts, host name and `/run` of its own, on disks that outlive
 * its power. The network is that of the test, where the agent runs, or one of its own.
 *
 * @module
 */

import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Cgroup } from "./cgroup.ts";
import { type CommandOptions, type CommandResult, run } from "../command.ts";
import { TextLineStream } from "../lines.ts";
import { until } from "../poll.ts";
import { Process } from "../process.ts";
import { FIRST_PROCESS, SYSTEMD_KEEPER } from "./first_process.ts";
import { prepareDisk } from "./systemd.ts";

/** Where a machine keeps what it keeps, and what it is called. */
export interface MachineOptions {
  /** Holds the machine's own folders by their paths. */
  readonly disk: string;
  readonly hostname: string;
  /** Names its control group; without it there is none. */
  readonly id?: string;
  /** What starts services on it; default `none`, so that only the test does. With `systemd`, it needs an id. */
  readonly init?: "none" | "systemd";
  /** Folders on the disk, and what they hold at first; default `/var/lib` and `/var/log`, empty. */
  readonly folders?: Readonly<Record<string, "empty" | "copy">>;
  /** Whether the network is the machine's own: another at each boot, with nothing but `lo`. */
  readonly ownNetwork?: boolean;
}

/** What there is of a machine while it is on. */
interface Power {
  readonly first: Deno.ChildProcess;
  /** The first process, as the test sees it. */
  readonly pid: number;
  readonly cgroup: Cgroup | undefined;
}

/** A machine that may be switched on and off; off at first. */
export class Machine implements AsyncDisposable {
  readonly #options: MachineOptions;
  readonly #folders: Readonly<Record<string, "empty" | "copy">>;
  #power: Power | undefined;
  /** Of all services since the power was switched on. */
  readonly #ends: Promise<unknown>[] = [];

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#folders = options.folders ?? { "/var/lib": "empty", "/var/log": "empty" };
  }

  /** Whether the power is on. */
  get isOn(): boolean {
    return this.#power !== undefined;
  }

  /** The first process, as the test sees it: names the machine's namespaces. */
  get pid(): number {
    if (!this.#power) throw new Error("Cannot find the first process: the machine is off");
    return this.#power.pid;
  }

  /** The control group for what the kubelet starts; it ends with the power. */
  get cgroup(): string {
    const { id } = this.#options;
    if (id === undefined) throw new Error("Cannot name the control group: the machine has none");
    return Cgroup.pathOf(id);
  }

  /** Path on the test's side of a file on the disk, or of any other while the machine is on. */
  outside(path: string): string {
    const isOnDisk = Object.keys(this.#folders).some((each) => `${path}/`.startsWith(`${each}/`));
    return isOnDisk ? join(this.#options.disk, path) : `/proc/${this.pid}/root${path}`;
  }

  /** Switches the power on. */
  async boot(): Promise<void> {
    if (this.#power) throw new Error("Cannot boot: the machine is on");
    const { disk, hostname, id, ownNetwork = false, init = "none" } = this.#options;
    for (const [path, content] of Object.entries(this.#folders)) {
      if (content === "copy") await copyOnce(path, join(disk, path));
      else await mkdir(join(disk, path), { recursive: true });
    }
    const cgroup = id === undefined ? undefined : await Cgroup.create(id);
    const log = join(disk, "machine.log");
    if (init === "systemd" && !await isThere(log)) await prepareDisk(disk, hostname);
    const network = ownNetwork ? "own" : "shared";
    const keeper = init === "systemd"
      ? ["sh", "-c", SYSTEMD_KEEPER, "sh", this.cgroup]
      : ["unshare"];
    const first = new Deno.Command("sh", {
      args: [
        ...["-c", 'log=$1; shift; exec 2>>"$log" "$@"', "sh", log, ...keeper],
        ...["--mount", "--propagation=private", "--pid", "--uts", "--ipc"],
        ...(ownNetwork ? ["--net"] : []),
        ...["--fork", "--kill-child", "sh", "-c", FIRST_PROCESS, "sh"],
        ...[disk, hostname, network, init, ...Object.keys(this.#folders)],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines = first.stdout.pipeThrough(new TextLineStream()).getReader();
    const { value } = await lines.read();
    if (value === undefined) {
      await first.stdin.close().catch(() => {});
      await first.status;
      await cgroup?.[Symbol.asyncDispose]();
      throw new Error(`Cannot boot: ${await readFile(log, "utf8")}`);
    }
    await lines.cancel();
    this.#power = { first, pid: Number(value), cgroup };
  }

  /** Kills all processes at once and forgets mounts and `/run`; the disks stay. */
  async powerOff(): Promise<void> {
    const power = this.#power;
    if (!power) return;
    this.#power = undefined;
    // The kernel kills a namespace's processes with its first one.
    Deno.kill(power.pid, "SIGKILL");
    await power.first.stdin.close().catch(() => {});
    await power.first.status;
    await Promise.all(this.#ends.splice(0));
    await power.cgroup?.[Symbol.asyncDispose]();
  }

  /** Runs a command on the machine. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return run([...this.#enter(), ...argv], options);
  }

  /** The command line of a program on the machine, for those who want its pipes. */
  command(argv: readonly string[]): string[] {
    return [...this.#enter(), ...argv];
  }

  /** Starts a service; its log is `/var/log/<name>.log`. */
  start(name: string, argv: readonly string[]): Service {
    const process = new Process({
      name,
      // The namespace's own number of the process, by which it can be killed from inside.
      argv: [...this.#enter(), "sh", "-c", 'echo $$ >"$0"; exec "$@"', `/run/${name}.pid`, ...argv],
      logFile: this.outside(`/var/log/${name}.log`),
    });
    this.#ends.push(process.ended);
    return new Service(this, process);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
  }

  #enter(): string[] {
    if (!this.#power) throw new Error("Cannot run anything: the machine is off");
    const network = this.#options.ownNetwork ? ["--net"] : [];
    return [
      ...["nsenter", `--target=${this.#power.pid}`],
      ...["--mount", "--pid", "--uts", "--ipc", ...network, "--"],
    ];
  }
}

/** Copies a folder with owners and times, unless that was done before. */
async function copyOnce(from: string, to: string): Promise<void> {
  if (await isThere(to)) return;
  await mkdir(dirname(to), { recursive: true });
  await run(["cp", "--archive", from, to]);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

/** A long-running process on a machine. */
export class Service {
  readonly #machine: Machine;
  readonly #process: Process;

  constructor(machine: Machine, process: Process) {
    this.#machine = machine;
    this.#process = process;
  }

  /** Throws when the process has ended. */
  assertRunning(): void {
    this.#process.assertRunning();
  }

  /** Resolves when it has ended, however it ended. */
  get ended(): Promise<Deno.CommandStatus> {
    return this.#process.ended;
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: "TERM" | "KILL" = "KILL"): Promise<void> {
    const { name } = this.#process;
    const pid = await until(`the pid of ${name}`, async () => {
      const { stdout } = await this.#machine.run(["cat", `/run/${name}.pid`]);
      return stdout.trim();
    });
    await this.#machine.run(["kill", `-${signal}`, pid], { allowFailure: true });
    await this.#process.ended;
  }

  /** All that it has logged, also before the machine's last boot. */
  log(): Promise<string> {
    return readFile(this.#process.logFile, "utf8");
  }

  /** The last lines of the log. */
  tail(lines?: number): Promise<string> {
    return this.#process.tail(lines);
  }
}
