import { type Fs, isNotFound } from "../../platform/fs.ts";
import { CNI_CODE, CniError } from "./cni_error.ts";
import { isContainerId, isInterfaceName } from "./cni_names.ts";
import { formatIp, parseIp } from "./ip_address.ts";
import { formatPodKey, type PodKey, toPodKey } from "./pod_key.ts";

/** Who has an address. `broken`: the file says nothing, as after a power cut. */
export type Owner =
  | { kind: "container"; containerID: string; ifName: string }
  | { kind: "hold"; pod: PodKey }
  | { kind: "broken" };

/** One file of host-local's store. */
export interface StoreEntry {
  readonly ip: string;
  readonly owner: Owner;
}

/** An address that is kept for a pod. */
export interface Hold {
  readonly ip: string;
  readonly pod: PodKey;
  /** When it was written, ms. */
  readonly mtimeMs: number;
}

/** First line of a hold: an address kept free for the pod in the second. */
const HOLD = "edge-agent-hold";

/** How long host-local holds its own lock at most, with room for a slow disk. */
const STORE_LOCK_MS = 10_000;

/** What a file of the store says: `<containerID>\r\n<ifname>`, a hold, or, from old versions, the ID alone. */
export function parseOwner(text: string): Owner {
  const [first = "", second = "", ...rest] = text.trim().split("\r\n");
  if (rest.length > 0) return { kind: "broken" };
  if (first === HOLD) {
    const [namespace, name] = second.split("/");
    const pod = toPodKey(namespace, name);
    return pod === undefined ? { kind: "broken" } : { kind: "hold", pod };
  }
  // A hold that a power cut left half written would pass for a container of an old host-local.
  if (second === "" && HOLD.startsWith(first)) return { kind: "broken" };
  if (!isContainerId(first)) return { kind: "broken" };
  if (second !== "" && !isInterfaceName(second)) return { kind: "broken" };
  return { kind: "container", containerID: first, ifName: second };
}

/** What {@linkcode parseOwner} reads as a hold. */
export function formatHold(pod: PodKey): string {
  return `${HOLD}\r\n${formatPodKey(pod)}`;
}

/** host-local's folder of one network: a file per address, named by it. */
export class IpStore {
  readonly #fs: Fs;
  constructor(fs: Fs, readonly dir: string) {
    this.#fs = fs;
  }

  /** The addresses that somebody has. */
  async list(): Promise<string[]> {
    const names = await this.#fs.list(this.dir).catch(orNothing);
    return (names ?? []).filter((name) => {
      const ip = parseIp(name);
      return ip !== undefined && formatIp(ip) === name;
    });
  }

  /** Who has an address; undefined when nobody has. */
  async ownerOf(ip: string): Promise<Owner | undefined> {
    const text = await this.#fs.readText(`${this.dir}/${ip}`).catch(orNothing);
    return text === undefined ? undefined : parseOwner(text);
  }

  /** Everything that is in the store. */
  async entries(): Promise<StoreEntry[]> {
    const entries = await Promise.all((await this.list()).map(async (ip) => {
      const owner = await this.ownerOf(ip);
      return owner && { ip, owner };
    }));
    return entries.filter((entry) => entry !== undefined);
  }

  /** The addresses held for pods, oldest hold first. */
  async holds(): Promise<Hold[]> {
    const holds = await Promise.all((await this.entries()).map(async ({ ip, owner }) => {
      if (owner.kind !== "hold") return undefined;
      const stat = await this.#fs.stat(`${this.dir}/${ip}`);
      return stat && { ip, pod: owner.pod, mtimeMs: stat.mtimeMs };
    }));
    return holds.filter((hold) => hold !== undefined).sort((a, b) => a.mtimeMs - b.mtimeMs);
  }

  /** Frees an address. Only within {@linkcode IpStore.edit}, after a look at who has it. */
  async free(ip: string): Promise<void> {
    await this.#fs.remove(`${this.dir}/${ip}`);
  }

  /** Keeps a free address for a pod; false when somebody has it. */
  async hold(ip: string, pod: PodKey): Promise<boolean> {
    return await this.#fs.createExclusive(`${this.dir}/${ip}`, formatHold(pod), 0o600);
  }

  /**
   * Runs `change` while no host-local is writing, be it one that nobody runs through this plugin: a file
   * that is empty then is not one just being written. Never run host-local in it: it would wait for ever.
   */
  async edit<T>(change: () => Promise<T>): Promise<T> {
    // Without the folder there is nothing to change; host-local makes it.
    if (!await this.#fs.exists(this.dir)) return await change();
    // No `using`: the bundler's minifier puts the value where its only use is, and nothing unlocks.
    const lock = await this.#fs.lock(`${this.dir}/lock`, STORE_LOCK_MS);
    if (lock === undefined) {
      throw new CniError(
        CNI_CODE.tryAgain,
        `somebody has kept ${this.dir}/lock for ${STORE_LOCK_MS / 1_000} s`,
      );
    }
    try {
      return await change();
    } finally {
      lock[Symbol.dispose]();
    }
  }
}

function orNothing(error: unknown): undefined {
  // A folder is nothing of host-local's either.
  const { code } = error as { code?: unknown };
  if (isNotFound(error) || code === "EISDIR") return undefined;
  throw error;
}
