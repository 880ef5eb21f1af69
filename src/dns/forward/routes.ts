import type { Endpoint } from "../../config/scalars.ts";
import { isWithin } from "../wire/name.ts";

/** Who is asked for what. */
export interface Routes {
  /** For names of no zone below, in the order in which they are asked. */
  upstreams: readonly Endpoint[];
  /** Zones, keys, with name servers of their own. */
  stubs: readonly { zone: string; upstreams: readonly Endpoint[] }[];
}

/** Finds the name servers for a name: those of the longest zone that it is in. */
export class RouteTable<T> {
  readonly #zones: readonly { zone: string; target: T }[];

  /** @param zones keys; that of the root is "" */
  constructor(zones: readonly { zone: string; target: T }[]) {
    this.#zones = zones.toSorted((a, b) => b.zone.length - a.zone.length);
  }

  find(name: string): T | undefined {
    return this.#zones.find(({ zone }) => isWithin(name, zone))?.target;
  }
}
