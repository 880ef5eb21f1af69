import type { Logger } from "@logtape/logtape";

/** What was logged. */
export interface Logged {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  data?: Record<string, unknown>;
}

/** A logger that keeps what it is told. */
export class RecordingLogger {
  readonly records: Logged[] = [];

  readonly logger: Logger = Object.fromEntries(
    (["debug", "info", "warn", "error"] as const).map((level) => [
      level,
      (message: string, data?: Record<string, unknown>) =>
        void this.records.push({ level, message, ...(data && { data }) }),
    ]),
  ) as unknown as Logger;

  /** Those of one message. */
  of(message: string): Logged[] {
    return this.records.filter((record) => record.message === message);
  }
}
