import { formatGvr, type Gvr } from "../../kube/request_info.ts";
import { isResourceVersion, newerResourceVersion } from "../../kube/resource_version.ts";

/**
 * The highest resourceVersion that each caller was shown of a resource: an absence in an older list
 * proves nothing to them.
 */
export class SeenVersions {
  readonly #highest = new Map<string, string>();

  see(caller: string, gvr: Gvr, resourceVersion: string): void {
    if (!isResourceVersion(resourceVersion)) return;
    const key = `${caller}|${formatGvr(gvr)}`;
    this.#highest.set(key, newerResourceVersion(this.#highest.get(key) ?? "", resourceVersion));
  }

  /** The cloud gave its history up: its versions mean nothing any more. */
  clear(): void {
    this.#highest.clear();
  }

  highest(caller: string, gvr: Gvr): string {
    return this.#highest.get(`${caller}|${formatGvr(gvr)}`) ?? "";
  }
}
