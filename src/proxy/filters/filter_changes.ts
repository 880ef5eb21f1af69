import { formatJson, parseJson } from "../../kube/codec/json.ts";
import type { Gvr } from "../../kube/request_info.ts";
import type { KeptAnswers } from "../store/kept.ts";

/** A resource as one identity sees it. */
export interface Shown extends Pick<Gvr, "group" | "resource"> {
  /** `identity:<name>`. */
  caller: string;
}

/** How a resource is shown by now. */
interface Entry {
  /** Of the filters; empty when nothing is changed. */
  fingerprint: string;
  /** Whether a list has shown it so. */
  listed: boolean;
}

/**
 * Remembers, over restarts, whether each identity has listed a resource since it is shown as the config has it
 * now. Who goes on from before knows objects as they were shown then, and nothing would tell them better, for no
 * object has changed: they must list anew.
 */
export class FilterChanges {
  readonly #kept: Pick<KeptAnswers, "get" | "keep">;
  readonly #entries = new Map<string, Entry>();

  /** @param current how each is shown by the config of today */
  constructor(
    kept: Pick<KeptAnswers, "get" | "keep">,
    current: readonly (Shown & { fingerprint: string })[],
  ) {
    this.#kept = kept;
    for (const { fingerprint, ...shown } of current) {
      const key = keyOf(shown);
      const before = toEntry(kept.get(key)?.body);
      if (before?.fingerprint === fingerprint) this.#entries.set(key, before);
      // What was never changed needs no entry.
      else if (before !== undefined || fingerprint !== "") {
        this.#save(key, { fingerprint, listed: false });
      }
    }
  }

  /** Whether whoever goes on with a watch was shown the resource otherwise. */
  mustList(shown: Shown): boolean {
    return this.#entries.get(keyOf(shown))?.listed === false;
  }

  /** The resource was listed as it is shown now. */
  listed(shown: Shown): void {
    const key = keyOf(shown);
    const entry = this.#entries.get(key);
    if (entry?.listed === false) this.#save(key, { ...entry, listed: true });
  }

  #save(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#kept.keep(key, { status: 200, headers: {}, body: formatJson(entry) });
  }
}

function keyOf({ caller, group, resource }: Shown): string {
  return ["filter", caller, `${group}/${resource}`].join("\n");
}

function toEntry(body: Uint8Array | undefined): Entry | undefined {
  return body && parseJson(body) as Entry;
}
