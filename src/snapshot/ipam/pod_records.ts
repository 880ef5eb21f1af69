import { errorMessage } from "../../kernel/errors.ts";
import { type Fs, isNotFound } from "../../platform/fs.ts";
import { isContainerId, isInterfaceName } from "./cni_names.ts";
import { canonicalIps } from "./ip_ranges.ts";
import { objectOf, parseJson, textOf, textsOf } from "./loose_json.ts";
import { type PodKey, toPodKey } from "./pod_key.ts";

/** Which addresses a pod got last, so that it gets them again. */
export interface PodRecord {
  readonly network: string;
  readonly pod: PodKey;
  readonly uid?: string;
  readonly containerID: string;
  readonly ifName: string;
  /** Path of the container's network namespace. */
  readonly netns?: string;
  readonly ips: readonly string[];
  /** When it was written, ms of the wall clock. */
  readonly timeMs: number;
}

const SCHEMA = 1;

/** A record's text; undefined for what is broken or of another schema, which counts as no record. */
export function parseRecord(text: string): PodRecord | undefined {
  const data = objectOf(parseJson(text));
  const pod = toPodKey(data.namespace, data.name);
  const network = textOf(data.network);
  const containerID = textOf(data.containerID) ?? "";
  const ifName = textOf(data.ifName) ?? "";
  const timeMs = Date.parse(textOf(data.time) ?? "");
  if (data.schema !== SCHEMA || pod === undefined || network === undefined) return undefined;
  if (!isContainerId(containerID) || !isInterfaceName(ifName)) return undefined;
  if (!Number.isFinite(timeMs)) return undefined;
  const uid = textOf(data.uid);
  const netns = textOf(data.netns);
  const ips = canonicalIps(textsOf(data.ips));
  return {
    network,
    pod,
    ...(uid && { uid }),
    containerID,
    ifName,
    ...(netns && { netns }),
    ips,
    timeMs,
  };
}

/** What {@linkcode parseRecord} reads. */
export function formatRecord({ pod, timeMs, ...rest }: PodRecord): string {
  return JSON.stringify({ schema: SCHEMA, ...pod, ...rest, time: new Date(timeMs).toISOString() }) +
    "\n";
}

/** The records of one network, a small file each: pods that start together don't wait for one another. */
export class PodRecords {
  readonly #fs: Fs;
  readonly #dir: string;
  constructor(fs: Fs, folder: string, readonly network: string) {
    this.#fs = fs;
    this.#dir = `${folder}/${network}`;
  }

  /** The record of a pod's interface, if there is one that can be read. */
  async get(pod: PodKey, ifName: string): Promise<PodRecord | undefined> {
    const record = await this.#read(await nameOf(pod, ifName));
    // The hash in the name is for the length only: what counts is what is inside.
    const same = record?.pod.name === pod.name && record.pod.namespace === pod.namespace;
    return same && record.ifName === ifName ? record : undefined;
  }

  /** Every record that can be read. */
  async all(): Promise<PodRecord[]> {
    const names = (await this.#names()).filter(isFinished);
    const records = await Promise.all(names.map((name) => this.#read(name)));
    return records.filter((record) => record !== undefined);
  }

  /** Keeps a record, durably. */
  async put(record: PodRecord): Promise<void> {
    if (!await this.#fs.exists(this.#dir)) await this.#fs.mkdir(this.#dir, 0o700);
    const path = `${this.#dir}/${await nameOf(record.pod, record.ifName)}`;
    await this.#fs.writeAtomic(path, formatRecord(record), 0o600);
  }

  /**
   * Removes the records that `isStale` picks and what is none; says how many. What an ADD is just writing
   * is left alone, unless it is known that none is running.
   */
  async prune(
    isStale: (record: PodRecord) => boolean,
    unfinished: "unfinished too" | "finished only" = "finished only",
  ): Promise<number> {
    let removed = 0;
    for (const name of await this.#names()) {
      if (unfinished === "finished only" && !isFinished(name)) continue;
      const record = await this.#read(name);
      if (record !== undefined && !isStale(record)) continue;
      await this.#fs.remove(`${this.#dir}/${name}`);
      removed++;
    }
    return removed;
  }

  /** Removes records, but for those that were written anew since they were read; says how many. */
  async drop(records: readonly PodRecord[]): Promise<number> {
    let removed = 0;
    for (const { pod, ifName, containerID, timeMs } of records) {
      const now = await this.get(pod, ifName);
      if (now?.containerID !== containerID || now.timeMs !== timeMs) continue;
      await this.#fs.remove(`${this.#dir}/${await nameOf(pod, ifName)}`);
      removed++;
    }
    return removed;
  }

  /** Removes all of them. */
  async clear(): Promise<void> {
    await this.prune(() => true, "unfinished too");
    await this.#fs.remove(this.#dir);
  }

  async #names(): Promise<string[]> {
    return await this.#fs.list(this.#dir).catch((error) => {
      if (isNotFound(error)) return [];
      throw error;
    });
  }

  /** A record that can't be read is none: a pod must start all the same. */
  async #read(name: string): Promise<PodRecord | undefined> {
    const text = await this.#fs.readText(`${this.#dir}/${name}`).catch((error) =>
      errorMessage(error)
    );
    const record = parseRecord(text);
    return record?.network === this.network ? record : undefined;
  }
}

/** Whether a file is no temporary one of a write. */
function isFinished(name: string): boolean {
  return !name.startsWith(".");
}

/** Namespace and name together may be longer than a file's name. */
async function nameOf({ namespace, name }: PodKey, ifName: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${namespace}/${name}/${ifName}`);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return `${new Uint8Array(digest).toHex()}.json`;
}
