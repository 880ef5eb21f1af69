import type { Logger } from "@logtape/logtape";
import { Alarm } from "../../kernel/alarm.ts";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { type Fs, isNotFound } from "../../platform/fs.ts";
import type { ClusterZone } from "../zone/cluster_zone.ts";
import type { FactsKind, FactsOf, ZoneChange } from "../zone/cluster_state.ts";
import { formatZoneFile, parseZoneFile, type ZoneObjects } from "./zone_file.ts";

/** What a keeper works with. */
export interface ZoneKeeperPorts {
  fs: Fs;
  clock: Clock;
  logger: Logger;
  /** Where the zone is kept over a restart. */
  path: string;
}

/** Kinds of objects that a zone is made of, and that are kept. */
export type SourceKind = Exclude<FactsKind, "pod">;

/** Without these two there is no zone. */
const NEEDED: readonly SourceKind[] = ["service", "endpointSlice"];

/** How long a zone may differ from its file while the agent runs, ms: flash wears out by being written. */
export const SAVE_EVERY_MS = 300_000;

/** How long after the first zone came it is written where there is no file, ms: what comes with it is in it, too. */
const FIRST_SAVE_MS = 5_000;

/**
 * Fills a zone: from a file at the start, so that it answers before anybody can be asked, and from the cluster's
 * objects as they come. The file is written now and then, and at the end.
 */
export class ZoneKeeper {
  readonly #zone: ClusterZone;
  readonly #ports: ZoneKeeperPorts;
  /** Kinds that were listed since the start. */
  readonly #listed = new Set<SourceKind>();
  readonly #first: Alarm;
  #dirty = false;
  #changedAtMs: number | undefined;

  constructor(zone: ClusterZone, ports: ZoneKeeperPorts) {
    this.#zone = zone;
    this.#ports = ports;
    this.#first = new Alarm(ports.clock);
  }

  /** Where the zone's objects are from. */
  get origin(): "nowhere" | "file" | "cluster" {
    if (NEEDED.every((kind) => this.#listed.has(kind))) return "cluster";
    return this.#zone.synced ? "file" : "nowhere";
  }

  /** When the zone changed last, wall clock ms. */
  get changedAtMs(): number | undefined {
    return this.#changedAtMs;
  }

  /** Reads the file; without a usable one the zone waits for the cluster. */
  async load(): Promise<void> {
    const { fs, path, logger } = this.#ports;
    let objects: ZoneObjects;
    try {
      objects = parseZoneFile(await fs.readText(path));
    } catch (error) {
      if (!isNotFound(error)) {
        logger.warn("the kept zone can not be used", { error: errorMessage(error) });
      }
      return;
    }
    for (const kind of ["namespace", "service", "endpointSlice"] as const) {
      const found = objects[kind];
      if (found === undefined) continue;
      this.#zone.replace(kind, found as ReadonlyMap<string, FactsOf[typeof kind]>);
    }
    this.#zone.synced = true;
  }

  /** All objects of a kind, as the cluster says. */
  replace<K extends SourceKind>(kind: K, objects: ReadonlyMap<string, FactsOf[K]>): void {
    this.#listed.add(kind);
    // That there is nothing of a kind is worth a file, too.
    if (!this.#zone.state.isKnown(kind)) this.#dirty = true;
    if (this.#zone.replace(kind, objects)) this.#touch();
    if (this.origin !== "cluster") return;
    // Without a file, a power cut now would leave nothing to answer from.
    if (!this.#zone.synced) this.#first.ring();
    this.#zone.synced = true;
  }

  /** Nobody may list Namespaces: those without a Service are not there, as far as can be known. */
  refuseNamespaces(): void {
    if (this.#zone.state.isKnown("namespace")) return;
    this.#zone.state.conclude("namespace");
    // Known without the cluster, too, from now on.
    this.#dirty = true;
  }

  /** A change of one object. */
  apply(change: ZoneChange): void {
    // Pods are not kept.
    if (this.#zone.apply(change) && change.kind !== "pod") this.#touch();
  }

  /** Writes the file now and then until `signal` aborts, and at the end. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#first.sleep(SAVE_EVERY_MS, signal)) {
        await this.#ports.clock.sleep(FIRST_SAVE_MS, signal);
      }
      await this.save();
    }
    // What changed while it was written.
    await this.save();
  }

  /** Writes the file if the zone has changed and is whole. */
  async save(): Promise<void> {
    const { fs, path, logger } = this.#ports;
    if (!this.#dirty || this.origin !== "cluster") return;
    this.#dirty = false;
    const { state } = this.#zone;
    const objects: ZoneObjects = {
      service: state.facts("service"),
      endpointSlice: state.facts("endpointSlice"),
      // What is in the file counts as all that there is.
      ...(state.isKnown("namespace") && { namespace: state.facts("namespace") }),
    };
    try {
      await fs.writeAtomic(path, formatZoneFile(objects), 0o600);
    } catch (error) {
      this.#dirty = true;
      logger.warn("the zone can not be kept", { error: errorMessage(error) });
    }
  }

  #touch(): void {
    this.#dirty = true;
    this.#changedAtMs = this.#ports.clock.now();
  }
}
