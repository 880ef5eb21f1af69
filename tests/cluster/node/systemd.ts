/**
 * systemd as the init of a machine: Debian's own, with no other units than its targets, its journal and what
 * the test installs.
 *
 * @module
 */

import { copyFile, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CommandResult } from "../command.ts";
import { until } from "../poll.ts";
import type { Machine } from "./machine.ts";

/** Where systemd finds all its units. */
export const UNITS = "/etc/systemd/system";

/** Where Debian has them. */
const STOCK_UNITS = "/lib/systemd/system";

const JOURNAL = { service: "systemd-journald.service", socket: "systemd-journald.socket" } as const;

/** Gives a disk a host name, and units: those of the machine that the test runs on must not start on another. */
export async function prepareDisk(disk: string, hostname: string): Promise<void> {
  await writeFile(join(disk, "etc/hostname"), `${hostname}\n`);
  const folder = join(disk, UNITS);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const targets = (await readdir(STOCK_UNITS)).filter((name) => name.endsWith(".target"));
  for (const name of [...targets, ...Object.values(JOURNAL)]) {
    await copyFile(join(STOCK_UNITS, name), join(folder, name));
  }
  for (const kind of ["service", "socket"] as const) {
    const wants = join(folder, { service: "sysinit", socket: "sockets" }[kind] + ".target.wants");
    await mkdir(wants);
    await symlink(join(UNITS, JOURNAL[kind]), join(wants, JOURNAL[kind]));
  }
}

/** What an operator asks of systemd on a machine that is on. */
export class Systemd {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Runs `systemctl`. */
  ctl(...words: string[]): Promise<CommandResult> {
    return this.#machine.run(["systemctl", ...words]);
  }

  /** Waits until all that is started at boot has been started, or has failed. */
  async booted(): Promise<void> {
    await until("systemd to have booted", async () => {
      const { stdout } = await this.#machine.run(["systemctl", "is-system-running"], {
        allowFailure: true,
      });
      return ["running", "degraded"].includes(stdout.trim());
    }, { timeoutMs: 120_000 });
  }

  /** A property of a unit, as `systemctl show` has it. */
  async property(unit: string, name: string): Promise<string> {
    const { stdout } = await this.ctl("show", unit, `--property=${name}`, "--value");
    return stdout.trim();
  }

  /** What a unit has logged since the boot. */
  async journal(unit: string): Promise<string> {
    const words = ["journalctl", "--no-pager", "--output=cat", `--unit=${unit}`];
    return (await this.#machine.run(words)).stdout;
  }
}
