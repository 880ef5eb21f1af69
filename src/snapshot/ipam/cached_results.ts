import { type Fs, isNotFound } from "../../platform/fs.ts";
import { parseCniArgs } from "./cni_args.ts";
import { isContainerId, isInterfaceName } from "./cni_names.ts";
import { arrayOf, isObject, objectOf, parseJson, textOf } from "./loose_json.ts";
import { type PodKey, toPodKey } from "./pod_key.ts";
import { resultIps } from "./cni_result.ts";

/** What libcni keeps of an ADD until its DEL, over reboots: also of pods older than this agent. */
export interface CachedResult {
  readonly network: string;
  readonly containerID: string;
  readonly ifName: string;
  readonly netns?: string;
  readonly pod?: PodKey;
  readonly uid?: string;
  readonly ips: readonly string[];
}

/** A file of libcni's cache (`libcni/api.go`, `cachedInfo`); undefined for anything else. */
export function parseCachedResult(text: string): CachedResult | undefined {
  const data = parseJson(text);
  if (!isObject(data) || data.kind !== "cniCacheV1") return undefined;
  const network = textOf(data.networkName) ?? "";
  const containerID = textOf(data.containerId) ?? "";
  const ifName = textOf(data.ifName) ?? "";
  if (!isContainerId(containerID) || !isInterfaceName(ifName)) return undefined;
  const pairs = arrayOf(data.cniArgs).map((pair) => arrayOf(pair).map(String).join("="));
  const args = parseCniArgs(pairs.join(";"));
  const uid = args.get("K8S_POD_UID");
  const netns = textOf(data.netns);
  return {
    network,
    containerID,
    ifName,
    ...(netns && { netns }),
    pod: toPodKey(args.get("K8S_POD_NAMESPACE"), args.get("K8S_POD_NAME")),
    ...(uid && { uid }),
    ips: resultIps(objectOf(data.result)),
  };
}

/** libcni's caches of results, as far as one network goes. */
export class CachedResults {
  readonly #fs: Fs;
  readonly #dirs: readonly string[];
  readonly #network: string;
  constructor(fs: Fs, dirs: readonly string[], network: string) {
    this.#fs = fs;
    this.#dirs = dirs;
    this.#network = network;
  }

  /** What is cached of one container's interface. */
  async get(containerID: string, ifName: string): Promise<CachedResult | undefined> {
    for (const dir of this.#dirs) {
      const result = await this.#read(`${dir}/${this.#network}-${containerID}-${ifName}`);
      if (result?.containerID === containerID) return result;
    }
    return undefined;
  }

  /** Everything that is cached of the network, what was written last first. */
  async all(): Promise<CachedResult[]> {
    const paths = await Promise.all(this.#dirs.map((dir) => this.#pathsIn(dir)));
    const found = await Promise.all(
      paths.flat().map(async (path) => ({
        result: await this.#read(path),
        mtimeMs: (await this.#fs.stat(path))?.mtimeMs ?? 0,
      })),
    );
    return found.sort((a, b) => b.mtimeMs - a.mtimeMs)
      .map(({ result }) => result).filter((result) => result !== undefined);
  }

  async #pathsIn(dir: string): Promise<string[]> {
    const names = await this.#fs.list(dir).catch((error) => {
      if (isNotFound(error)) return [];
      throw error;
    });
    return names.filter((name) => name.startsWith(`${this.#network}-`))
      .map((name) => `${dir}/${name}`);
  }

  async #read(path: string): Promise<CachedResult | undefined> {
    // What can't be read tells nothing; that must not keep a pod from starting.
    const text = await this.#fs.readText(path).catch(() => "");
    const result = parseCachedResult(text);
    return result?.network === this.#network ? result : undefined;
  }
}
