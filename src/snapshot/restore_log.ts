import type { Logger } from "@logtape/logtape";
import type { SnapshotMetrics } from "./metrics.ts";
import { formatOperation } from "./operation.ts";
import { hasChanged, type RestoreReport } from "./restore.ts";

/** Says what restores did, and each complaint once until it is another one. */
export class RestoreLog {
  readonly #logger: Logger;
  readonly #metrics: SnapshotMetrics;
  #refused: string[] = [];
  #complaints: string[] = [];

  constructor(logger: Logger, metrics: SnapshotMetrics) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  /** Entries that the kernel refused in the last restore, as commands with their reasons. */
  get refused(): readonly string[] {
    return this.#refused;
  }

  /** Settings that could not be made in the last restore, likewise. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  tell(report: RestoreReport): void {
    const { operations, changes, waiting, settings, complaints, tookMs } = report;
    const former = this.#complaints;
    this.#complaints = complaints;
    this.#refused = report.refused.map(({ operation, why }) =>
      `${formatOperation(operation)}: ${why}`
    );
    this.#metrics.operations.inc(operations);
    this.#metrics.refused.set(this.#refused.length);
    if (hasChanged(report)) {
      this.#logger.info("network put back", {
        ...{ operations, changes, waiting, settings, complaints },
        subnetEnv: report.subnetEnv.state,
        refused: this.#refused.slice(0, 10),
        tookMs: Math.round(tookMs),
      });
    }
    if (complaints.length > 0 && complaints.join("\n") !== former.join("\n")) {
      this.#logger.warn("settings that pods need can not be made", { complaints });
    }
  }
}
