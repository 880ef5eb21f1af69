import {
  type Exec,
  type ExecOptions,
  type ExecResult,
  ProgramError,
} from "../../src/platform/exec.ts";
import type { Fs } from "../../src/platform/fs.ts";
import { formatIp, parseIp } from "../../src/snapshot/ipam/ip_address.ts";
import { contains, type IpRange, parseRanges } from "../../src/snapshot/ipam/ip_ranges.ts";

/** What befalls one run of {@linkcode FakeHostLocal}. */
export type HostLocalFault = "absent" | "killed before" | "killed after";

/**
 * host-local as a small state model on any {@linkcode Fs}: round robin, requests, duplicates, its lock and
 * its messages. `tests/testing/host_local_contract.ts` holds it against the real program.
 */
export class FakeHostLocal implements Exec {
  /** Commands so far, as `ADD c1`. */
  readonly runs: string[] = [];
  fault: (command: string) => HostLocalFault | undefined = () => undefined;
  /** One that speaks 1.1 knows STATUS and GC, and that frees whatever is not in its list. */
  versions: readonly string[] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];
  readonly #fs: Fs;
  constructor(fs: Fs) {
    this.#fs = fs;
  }

  lines(): AsyncIterable<string> {
    throw new Error("host-local prints no lines");
  }

  async run(
    [program = ""]: readonly string[],
    { stdin = "", env = {} }: ExecOptions = {},
  ): Promise<ExecResult> {
    const command = env.CNI_COMMAND ?? "";
    const fault = this.fault(command);
    if (program !== "host-local" || fault === "absent") {
      throw new ProgramError(program, `there is no program "${program}" on PATH: install it`);
    }
    this.runs.push(`${command} ${env.CNI_CONTAINERID ?? ""}`.trim());
    if (fault === "killed before") throw new ProgramError(program, "killed");
    const result = await this.#answer(command, stdin, env);
    if (fault === "killed after") throw new ProgramError(program, "killed");
    return result;
  }

  async #answer(
    command: string,
    stdin: string,
    env: Readonly<Record<string, string>>,
  ): Promise<ExecResult> {
    if (command === "VERSION") {
      return done(JSON.stringify({ cniVersion: "1.0.0", supportedVersions: this.versions }));
    }
    const conf = JSON.parse(stdin);
    const dir = `${conf.ipam.dataDir ?? "/var/lib/cni/networks"}/${conf.name}`;
    await this.#fs.mkdir(dir, 0o755);
    const lock = await this.#fs.lock(`${dir}/lock`, 2_000);
    if (lock === undefined) throw new ProgramError("host-local", "did not end within 2 s");
    try {
      const owner = `${env.CNI_CONTAINERID}\r\n${env.CNI_IFNAME}`;
      const store = new Store(this.#fs, dir, owner);
      if (command === "DEL") {
        await store.release();
        return done("");
      }
      if (command === "CHECK") {
        return (await store.owned()).length > 0
          ? done("")
          : failed(`host-local: Failed to find address added by container ${env.CNI_CONTAINERID}`);
      }
      if (command === "ADD") return await add(store, conf, env);
      if (command === "STATUS" && this.versions.includes("1.1.0")) return done("");
      if (command === "GC" && this.versions.includes("1.1.0")) {
        await store.collect(conf["cni.dev/valid-attachments"]);
        return done("");
      }
      return failed(`unknown CNI_COMMAND: ${command}`, 4);
    } finally {
      lock[Symbol.dispose]();
    }
  }
}

// deno-lint-ignore no-explicit-any -- the config is whatever a test says
async function add(store: Store, conf: any, env: Readonly<Record<string, string>>) {
  const asked = new Set<string>([
    ...(/(?:^|;)IP=([^;]+)/.exec(env.CNI_ARGS ?? "")?.slice(1) ?? []),
    ...conf.args?.cni?.ips ?? [],
    ...conf.runtimeConfig?.ips ?? [],
  ]);
  const sets = parseRanges(conf);
  if (sets.length === 0) return failed("no IP ranges specified");
  const ips: { version: string; address: string; gateway: string }[] = [];
  const undo = async (message: string) => {
    if (ips.length > 0) await store.release();
    return failed(message);
  };
  for (const [id, set] of sets.entries()) {
    const wish = [...asked].find((ip) => contains(set, parseIp(ip)!));
    if (wish !== undefined) asked.delete(wish);
    const given = wish === undefined ? await store.next(set, id) : await store.take(set, id, wish);
    if (typeof given === "string") {
      return await undo(`failed to allocate for range ${id}: ${given}`);
    }
    ips.push(given);
  }
  if (asked.size > 0) {
    return await undo(`failed to allocate all requested IPs: ${[...asked].join(" ")}`);
  }
  return done(JSON.stringify({ cniVersion: conf.cniVersion, ips, dns: {} }));
}

type Given = { version: string; address: string; gateway: string } | string;

class Store {
  readonly #fs: Fs;
  readonly #dir: string;
  readonly #owner: string;
  constructor(fs: Fs, dir: string, owner: string) {
    this.#fs = fs;
    this.#dir = dir;
    this.#owner = owner;
  }

  async owned(): Promise<string[]> {
    const owned: string[] = [];
    for (const name of await this.#fs.list(this.#dir)) {
      const text = (await this.#fs.readText(`${this.#dir}/${name}`)).trim();
      if (parseIp(name) && text === this.#owner) owned.push(name);
    }
    return owned;
  }

  async release(): Promise<void> {
    for (const ip of await this.owned()) await this.#fs.remove(`${this.#dir}/${ip}`);
  }

  async collect(valid: readonly { containerID: string; ifname: string }[]): Promise<void> {
    const owners = valid.map(({ containerID, ifname }) => `${containerID}\r\n${ifname}`);
    for (const name of await this.#fs.list(this.#dir)) {
      if (parseIp(name) === undefined) continue;
      const text = (await this.#fs.readText(`${this.#dir}/${name}`)).trim();
      if (!owners.includes(text)) await this.#fs.remove(`${this.#dir}/${name}`);
    }
  }

  async take(set: readonly IpRange[], id: number, ip: string): Promise<Given> {
    const address = parseIp(ip)!;
    const range = set.find((range) => contains([range], address))!;
    if (range.gateway === address.value) return `requested ip ${ip} is subnet's gateway`;
    const given = await this.#reserve(range, id, address.value);
    return given ?? `requested IP address ${ip} is not available in range set`;
  }

  async next(set: readonly IpRange[], id: number): Promise<Given> {
    for (const ip of await this.owned()) {
      if (contains(set, parseIp(ip)!)) {
        return `${ip} has been allocated to ${this.#owner}, duplicate allocation is not allowed`;
      }
    }
    const last = await this.#fs.readText(`${this.#dir}/last_reserved_ip.${id}`).catch(() => "");
    const all = set.flatMap((range) => addressesOf(range));
    const at = all.findIndex(({ range, value }) =>
      formatIp({ family: range.family, value }) === last
    );
    for (let i = 1; i <= all.length; i++) {
      const { range, value } = all[(at + i) % all.length]!;
      const given = value === range.gateway ? undefined : await this.#reserve(range, id, value);
      if (given !== undefined) return given;
    }
    return "no IP addresses available in range set: fake";
  }

  async #reserve(range: IpRange, id: number, value: bigint): Promise<Given | undefined> {
    const { family, network, last, gateway } = range;
    const ip = formatIp({ family, value });
    if (!await this.#fs.createExclusive(`${this.#dir}/${ip}`, this.#owner, 0o600)) return undefined;
    const name = `${this.#dir}/last_reserved_ip.${id}`;
    await this.#fs.remove(name);
    await this.#fs.createExclusive(name, ip, 0o600);
    const prefix = (family === 4 ? 32 : 128) - (last - network + 1n).toString(2).length + 1;
    return {
      version: String(family),
      address: `${ip}/${prefix}`,
      gateway: formatIp({ family, value: gateway }),
    };
  }
}

/** The addresses of a range; of a large one, enough for any test. */
function addressesOf(range: IpRange): { range: IpRange; value: bigint }[] {
  const size = Number(range.end - range.start + 1n);
  return Array.from({ length: Math.min(size, 512) }, (_, i) => ({
    range,
    value: range.start + BigInt(i),
  }));
}

function done(stdout: string): ExecResult {
  return { code: 0, stdout, stderr: "" };
}

function failed(msg: string, code = 999): ExecResult {
  return { code: 1, stdout: JSON.stringify({ code, msg }), stderr: "" };
}
