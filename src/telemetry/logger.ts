import { configureSync, getLogger, type Logger, type LogRecord } from "@logtape/logtape";
import { redact } from "./redact.ts";

/** The least severe records that are written. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** How the log is written, and where to. */
export interface LogOptions {
  level: LogLevel;
  /** "json": one object a line, for machines; "text": for people; "auto": text on a terminal. */
  format: "auto" | "json" | "text";
  isTerminal: boolean;
  /** Colours in "text". */
  color: boolean;
  /** Takes one line with its line feed. */
  write: (line: string) => void;
}

const ROOT = "edge-agent";

/** Sets the log of the whole process; again to change it. Without it nothing is written. */
export function startLogging(options: LogOptions): void {
  const { level, format, isTerminal, color, write } = options;
  const text = format === "text" || format === "auto" && isTerminal;
  const toLine = text
    ? (record: LogRecord) => formatText(record, color)
    : (record: LogRecord) => formatJson(record);
  configureSync({
    reset: true,
    sinks: { lines: (record) => write(toLine(record)) },
    loggers: [
      { category: [ROOT], sinks: ["lines"], lowestLevel: level === "warn" ? "warning" : level },
      // The library's own complaints, of a failing sink for example.
      { category: ["logtape"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
}

/** The logger of a module: category `["edge-agent", "<module>"]`. */
export function moduleLogger(module: string): Logger {
  return getLogger([ROOT, module]);
}

/** One JSON object: `ts` (RFC 3339), `level`, `category`, `message`, and `data` if there is any. */
export function formatJson(record: LogRecord): string {
  const data = redact(record.properties) as Record<string, unknown>;
  return JSON.stringify({
    ts: new Date(record.timestamp).toISOString(),
    level: levelOf(record),
    category: record.category.join("."),
    message: messageOf(record),
    ...(Object.keys(data).length > 0 && { data }),
  }) + "\n";
}

const COLORS: Record<string, string> = {
  debug: "\x1b[2m",
  info: "\x1b[36m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};

/** A line for people: `12:00:00.000 INFO  proxy  message name=value`. Values can't break the line. */
export function formatText(record: LogRecord, color: boolean): string {
  const level = levelOf(record);
  const label = level.toUpperCase().padEnd(5);
  const module = record.category.at(-1) ?? ROOT;
  const data = Object.entries(redact(record.properties) as Record<string, unknown>)
    .map(([name, value]) => ` ${name}=${formatValue(value)}`).join("");
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  return color
    ? `\x1b[2m${time}\x1b[0m ${COLORS[level] ?? ""}${label}\x1b[0m ${module}  ${
      messageOf(record)
    }\x1b[2m${data}\x1b[0m\n`
    : `${time} ${label} ${module}  ${messageOf(record)}${data}\n`;
}

function formatValue(value: unknown): string {
  return typeof value === "string" && /^[\w./:@%+-]+$/.test(value)
    ? value
    : `${JSON.stringify(value)}`;
}

function levelOf({ level }: LogRecord): string {
  return level === "warning" ? "warn" : level;
}

function messageOf({ message }: LogRecord): string {
  const text = message.map((part, i) => i % 2 === 0 ? part : JSON.stringify(redact(part))).join("");
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  return String(redact(text)).replace(/[\x00-\x1f\x7f]+/g, " ");
}
