import type { Clock } from "../../kernel/clock.ts";
import type { Fs } from "../../platform/fs.ts";
import { CachedResults } from "./cached_results.ts";
import { CNI_CODE, CniError } from "./cni_error.ts";
import { type IpamPaths, storeOf } from "./ipam_paths.ts";
import { IpStore } from "./ip_store.ts";
import { PodRecords } from "./pod_records.ts";
import type { PodKey } from "./pod_key.ts";

/** What everything that concerns addresses works with. */
export interface IpamPorts {
  readonly fs: Fs;
  readonly clock: Clock;
  readonly paths: IpamPaths;
}

/** What is known of a container: of which pod it is, and where it lives. */
export interface KnownContainer {
  readonly pod?: PodKey;
  readonly uid?: string;
  readonly netns?: string;
  readonly ips: readonly string[];
}

/** Everything on this node that knows of one network's addresses. */
export class IpamNetwork {
  readonly store: IpStore;
  readonly records: PodRecords;
  readonly results: CachedResults;
  readonly #fs: Fs;

  constructor({ fs, paths }: IpamPorts, readonly name: string, dataDir?: string) {
    this.store = new IpStore(fs, storeOf(paths, name, dataDir));
    this.records = new PodRecords(fs, paths.records, name);
    this.results = new CachedResults(fs, paths.results, name);
    this.#fs = fs;
  }

  /** What is known of a container; `record` is the one of the pod in question, if there is one. */
  async findContainer(
    containerID: string,
    ifName: string,
    pod: PodKey,
  ): Promise<KnownContainer | undefined> {
    const record = await this.records.get(pod, ifName);
    if (record?.containerID === containerID) return record;
    return await this.results.get(containerID, ifName);
  }

  /**
   * Whether a container is certainly gone. Its network namespace tells; where that can't be told, a pod of
   * the same UID does: a kubelet starts it again only after it stopped it.
   */
  async isGone(known: KnownContainer, uidNow: string | undefined): Promise<boolean> {
    return !(await this.lives(known) ?? !(known.uid !== undefined && known.uid === uidNow));
  }

  /** Whether a container's network namespace is there; undefined when that can't be told. */
  async lives({ netns }: KnownContainer): Promise<boolean | undefined> {
    if (netns === undefined) return undefined;
    // Namespaces named in /proc, as by cri-dockerd, are out of the binary's reach.
    return await this.#fs.exists(netns).catch(() => undefined);
  }
}

/** How long an ADD or DEL waits for its turn: thirty others in a row take a second. */
const LOCK_MS = 30_000;

/**
 * Takes the lock that is held over every change of holds and over host-local's run.
 *
 * @throws {CniError} "try again later" when it was not to be had in 30 s; what the disk threw, else
 */
export async function lockIpam(
  { fs, paths }: Pick<IpamPorts, "fs" | "paths">,
): Promise<Disposable> {
  const folder = paths.lock.slice(0, paths.lock.lastIndexOf("/"));
  if (!await fs.exists(folder)) await fs.mkdir(folder, 0o755);
  const lock = await fs.lock(paths.lock, LOCK_MS);
  if (lock !== undefined) return lock;
  throw new CniError(CNI_CODE.tryAgain, `${paths.lock} was not to be had in ${LOCK_MS / 1_000} s`);
}
