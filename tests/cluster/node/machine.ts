/**
 * The machine that a node is: processes, mounts, host name and `/run` of its own, on disks that outlive
 * its power. The network is that of the test, where the agent runs.
 *
 * @module
 */

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Cgroup } from "./cgroup.ts";
import { type CommandOptions, type CommandResult, run } from "../command.ts";
import { TextLineStream } from "../lines.ts";
import { until } from "../poll.ts";
import { Process } from "../process.ts";

/** What the first process does: the shell of {@linkcode Machine.boot} after it has said its pid. */
const FIRST_PROCESS = `
  set -e
  disk=$1 host=$2
  # Read before /proc is that of the new namespace, so it is the pid that the test sees.
  read -r pid _ </proc/self/stat
  mount -t proc proc /proc
  mount --make-rshared /
  mount -t tmpfs run /run
  mount --bind "$disk/lib" /var/lib
  mount --bind "$disk/log" /var/log
  hostname "$host"
  echo "$pid"
  # Until the test closes the pipe, or is killed: then all that runs on the machine ends.
  exec cat
`;

/** Where a machine keeps what it keeps, and what it is called. */
export interface MachineOptions {
  /** Its `lib` and `log` are the machine's `/var/lib` and `/var/log`. */
  readonly disk: string;
  readonly hostname: string;
  /** Names its control group. */
  readonly id: string;
}

/** What there is of a machine while it is on. */
interface Power {
  readonly first: Deno.ChildProcess;
  /** The first process, as the test sees it. */
  readonly pid: number;
  readonly cgroup: Cgroup;
}

/** A machine that may be switched on and off; off at first. */
export class Machine implements AsyncDisposable {
  readonly #options: MachineOptions;
  #power: Power | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** The control group for what the kubelet starts; it ends with the power. */
  get cgroup(): string {
    return Cgroup.pathOf(this.#options.id);
  }

  /** Path on the test's side of a file in `/var/lib` or `/var/log`. */
  outside(path: string): string {
    return join(this.#options.disk, path.replace(/^\/var\//, ""));
  }

  /** Switches the power on. */
  async boot(): Promise<void> {
    if (this.#power) throw new Error("Cannot boot: the machine is on");
    const { disk, hostname, id } = this.#options;
    for (const name of ["lib", "log"]) await mkdir(join(disk, name), { recursive: true });
    const log = join(disk, "machine.log");
    const first = new Deno.Command("sh", {
      args: [
        ...["-c", 'log=$1; shift; exec 2>>"$log" "$@"', "sh", log, "unshare"],
        ...["--mount", "--propagation=private", "--pid", "--uts", "--ipc"],
        ...["--fork", "--kill-child", "sh", "-c", FIRST_PROCESS, "sh", disk, hostname],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines = first.stdout.pipeThrough(new TextLineStream()).getReader();
    const { value } = await lines.read();
    if (value === undefined) throw new Error(`Cannot boot: ${await readFile(log, "utf8")}`);
    await lines.cancel();
    this.#power = { first, pid: Number(value), cgroup: await Cgroup.create(id) };
  }

  /** Kills all processes at once and forgets mounts and `/run`; the disks stay. */
  async powerOff(): Promise<void> {
    const power = this.#power;
    if (!power) return;
    this.#power = undefined;
    // The kernel kills a namespace's processes with its first one.
    Deno.kill(power.pid, "SIGKILL");
    await power.first.status;
    await power.first.stdin.close().catch(() => {});
    await power.cgroup[Symbol.asyncDispose]();
  }

  /** Runs a command on the machine. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return run([...this.#enter(), ...argv], options);
  }

  /** Starts a service; its log is `/var/log/<name>.log`. */
  start(name: string, argv: readonly string[]): Service {
    const process = new Process({
      name,
      // The namespace's own number of the process, by which it can be killed from inside.
      argv: [...this.#enter(), "sh", "-c", 'echo $$ >"$0"; exec "$@"', `/run/${name}.pid`, ...argv],
      logFile: this.outside(`/var/log/${name}.log`),
    });
    return new Service(this, process);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
  }

  #enter(): string[] {
    if (!this.#power) throw new Error("Cannot run anything: the machine is off");
    return ["nsenter", `--target=${this.#power.pid}`, "--mount", "--pid", "--uts", "--ipc", "--"];
  }
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
