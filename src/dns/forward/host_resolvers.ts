import { dirname } from "node:path/posix";
import { Alarm } from "../../kernel/alarm.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Fs } from "../../platform/fs.ts";
import type { DirectoryWatch } from "../../platform/watch.ts";
import { chooseNameservers, parseResolvConf } from "./resolv_conf.ts";

/** Who resolves names for this host, and what it appends to short ones. */
export interface Resolvers {
  /** IP addresses. */
  nameservers: string[];
  /** Those that the files name besides, and that must not be asked: stubs of this host, and addresses of ours. */
  leftOut: string[];
  /** Keys of names. */
  search: string[];
}

/** What following the host's files needs. */
export interface HostResolverPorts {
  fs: Fs;
  clock: Clock;
  /** See `platform/watch.ts`. */
  watch: (paths: readonly string[], changed: () => void) => DirectoryWatch;
}

/** How often the files are looked at without a reason, ms: not every change can be watched. */
const LOOK_MS = 30_000;
/** A change comes with others, ms. */
const DEBOUNCE_MS = 500;

/** Follows the `resolv.conf` that the kubelet gives to pods, and what is behind it. */
export class HostResolvers {
  readonly #paths: readonly string[];
  readonly #ours: readonly string[];
  readonly #ports: HostResolverPorts;

  /**
   * @param paths the kubelet's `resolvConf` first, then where the real servers are if that names a stub
   * @param ours addresses that must not be asked: they lead back
   */
  constructor(paths: readonly string[], ours: readonly string[], ports: HostResolverPorts) {
    this.#paths = paths;
    this.#ours = ours;
    this.#ports = ports;
  }

  /** What the files say now. One that can't be read says nothing. */
  async read(): Promise<Resolvers> {
    const { fs } = this.#ports;
    const texts = await Promise.all(this.#paths.map((path) => fs.readText(path).catch(() => "")));
    return {
      ...chooseNameservers(texts, this.#ours),
      search: parseResolvConf(texts[0] ?? "").search,
    };
  }

  /**
   * Calls `changed` with what the files say whenever that is not what it was, until `signal` aborts. A
   * file that is empty for a moment, as while it is written, does not take the name servers away.
   */
  async run(
    known: Resolvers,
    changed: (resolvers: Resolvers) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, fs, watch } = this.#ports;
    const alarm = new Alarm(clock);
    const directories = this.#paths.map((path) => fs.resolve(dirname(path)));
    const watching = watch(directories, () => alarm.ring());
    try {
      for (let former = known; !signal.aborted;) {
        if (await alarm.sleep(LOOK_MS, signal)) await clock.sleep(DEBOUNCE_MS, signal);
        if (signal.aborted) break;
        watching.extend(directories);
        const now = await this.read();
        if (now.nameservers.length === 0 && former.nameservers.length > 0) continue;
        if (JSON.stringify(now) === JSON.stringify(former)) continue;
        former = now;
        changed(now);
      }
    } finally {
      watching[Symbol.dispose]();
    }
  }
}
