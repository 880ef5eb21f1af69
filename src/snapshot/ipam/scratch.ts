import { type Fs, isNotFound } from "../../platform/fs.ts";
import { isContainerId } from "./cni_names.ts";
import { isObject, objectOf, parseJson } from "./loose_json.ts";

/** What a change of scratch files came to. */
export interface ScratchCount {
  changed: number;
  /** Files that are no JSON: flannel CNI can't read them either. */
  broken: number;
}

/**
 * flannel CNI's scratch files: one per container, with the config that its ADD handed on and its DEL
 * hands on again. `ipam.type` in it says who is told that the container is gone.
 */
export class ScratchFiles {
  readonly #fs: Fs;
  readonly #dir: string;
  constructor(fs: Fs, dir: string) {
    this.#fs = fs;
    this.#dir = dir;
  }

  /** Names another IPAM plugin in every file that names `from`; only in a network's, if one is given. */
  async retype(from: string, to: string, network?: string): Promise<ScratchCount> {
    const count = { changed: 0, broken: 0 };
    for (const { path, text } of await this.#files()) {
      const conf = parseJson(text);
      if (!isObject(conf)) count.broken++;
      const { name, ipam } = objectOf(conf);
      if (!isObject(ipam) || ipam.type !== from) continue;
      if (network !== undefined && name !== network) continue;
      const changed = JSON.stringify({ ...objectOf(conf), ipam: { ...ipam, type: to } });
      // A DEL that ran meanwhile has removed it: it must not come back.
      if (!await this.#fs.exists(path)) continue;
      await this.#fs.writeAtomic(path, changed, 0o600);
      count.changed++;
    }
    return count;
  }

  /** Removes what is no JSON: flannel CNI's DEL would fail on it for ever, and the pod never go. */
  async removeBroken(): Promise<number> {
    const broken = (await this.#files()).filter(({ text }) => !isObject(parseJson(text)));
    for (const { path } of broken) await this.#fs.remove(path);
    return broken.length;
  }

  async #files(): Promise<{ path: string; text: string }[]> {
    const names = await this.#fs.list(this.#dir).catch((error) => {
      if (isNotFound(error)) return [];
      throw error;
    });
    const files = await Promise.all(
      names.filter(isContainerId).map(async (name) => {
        const path = `${this.#dir}/${name}`;
        const text = await this.#fs.readText(path).catch(() => undefined);
        return text === undefined ? undefined : { path, text };
      }),
    );
    return files.filter((file) => file !== undefined);
  }
}
