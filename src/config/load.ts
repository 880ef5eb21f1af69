import * as z from "zod/mini";
import { UsageError } from "../kernel/errors.ts";
import { isSensitive } from "../telemetry/redact.ts";
import { explainIssues } from "./explain.ts";
import { type ConfigPath, envNameOf, formatPath, leavesOf } from "./schema.ts";
import { nearest } from "./nearest.ts";
import { parseYaml, type Position, type YamlDocument } from "./yaml_document.ts";

/** Where a config comes from; later ones win over earlier ones, and over the schema's defaults. */
export interface ConfigSources {
  /** The YAML file; without it the config is made of the others. */
  file?: { path: string; text: string };
  /** `EDGE_AGENT_<PATH>` for every leaf of the schema; others and empty ones are left alone. */
  env: Readonly<Record<string, string | undefined>>;
  flags: readonly ConfigFlag[];
}

/** A command line flag that stands for one value of the config. */
export interface ConfigFlag {
  /** As typed: `--log-level`. */
  name: string;
  path: string[];
  value: unknown;
}

/** One thing that is wrong with a config. */
export interface ConfigIssue {
  /** `proxy.upstream.server`; empty when it is about the file as a whole. */
  path: string;
  /** `/etc/x.yaml:3:5`, or the variable or flag that set the value. */
  source: string;
  position?: Position;
  /** What is wrong, beginning with the path. */
  message: string;
}

/** A config that can't be used; the message lists all that is wrong. */
export class ConfigError extends UsageError {
  readonly issues: readonly ConfigIssue[];
  constructor(issues: readonly ConfigIssue[]) {
    const lines = issues.map(({ source, message }) => `  ${source}: ${message}`);
    const count = issues.length === 1 ? "1 error" : `${issues.length} errors`;
    super([`The configuration has ${count}:`, ...lines].join("\n"));
    this.issues = issues;
  }
}

/** A config that was accepted. */
export interface LoadedConfig<T> {
  config: T;
  /** What is probably not meant, but harmless. */
  warnings: string[];
}

/**
 * Reads, merges and checks a config.
 *
 * @param knownEnv variables with the prefix `EDGE_AGENT_` that are used elsewhere
 * @throws {ConfigError} with everything that is wrong at once
 */
export function loadConfig<S extends z.ZodMiniType>(
  schema: S,
  sources: ConfigSources,
  knownEnv: readonly string[] = [],
): LoadedConfig<z.output<S>> {
  const { file, env, flags } = sources;
  const document = parseYaml(file?.text ?? "");
  const issues: ConfigIssue[] = document.problems.map(({ message, position }) => ({
    path: "",
    source: formatSource(file?.path ?? "", position),
    position,
    message,
  }));
  if (issues.length === 0 && document.data !== undefined && !isSection(document.data)) {
    issues.push({
      path: "",
      source: formatSource(file?.path ?? "", { line: 1, column: 1 }),
      position: { line: 1, column: 1 },
      message: "must be keys with values, such as `stateDir: /var/lib/edge-agent`",
    });
  }
  if (issues.length > 0) throw new ConfigError(issues);

  const data = structuredClone(document.data ?? {}) as Record<string, unknown>;
  const origins = new Map<string, string>();
  for (const { path, isText } of leavesOf(schema)) {
    const name = envNameOf(path);
    const text = env[name];
    if (text === undefined || text === "") continue;
    const parsed = isText ? { data: text, problems: [] } : parseYaml(text);
    for (const { message } of parsed.problems) {
      issues.push({
        path: formatPath(path),
        source: name,
        message: `${formatPath(path)} can not be read as YAML: ${message}`,
      });
    }
    if (setAt(data, path, parsed.data)) origins.set(formatPath(path), name);
  }
  for (const { name, path, value } of flags) {
    if (setAt(data, path, value)) origins.set(formatPath(path), name);
  }

  const result = z.safeParse(schema, data, { error: () => undefined });
  if (result.success && issues.length === 0) {
    return { config: result.data, warnings: warnOfEnv(schema, env, knownEnv) };
  }
  const found = explainIssues(schema, result.error?.issues ?? [], data);
  for (const { path, message } of found) {
    issues.push(place(path, message, { document, file: file?.path, origins }));
  }
  throw new ConfigError(issues);
}

/** Adds where a wrong value was set. */
function place(
  path: ConfigPath,
  message: string,
  from: { document: YamlDocument; file?: string; origins: ReadonlyMap<string, string> },
): ConfigIssue {
  for (let end = path.length; end > 0; end--) {
    const origin = from.origins.get(formatPath(path.slice(0, end)));
    if (origin !== undefined) return { path: formatPath(path), source: origin, message };
  }
  const position = from.document.locate(path);
  return {
    path: formatPath(path),
    source: formatSource(from.file ?? "configuration", position),
    ...(position && { position }),
    message,
  };
}

function formatSource(file: string, position: Position | undefined): string {
  return position === undefined ? file : `${file}:${position.line}:${position.column}`;
}

/** Sets a value and makes the sections above it; false when something else is in their place. */
function setAt(data: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  let section = data;
  for (const key of path.slice(0, -1)) {
    const next = section[key] ?? {};
    if (!isSection(next)) return false;
    section = section[key] = next;
  }
  section[path.at(-1)!] = value;
  return true;
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Unknown variables are no errors: Kubernetes itself sets `EDGE_AGENT_PORT` and others in the pods beside a
 * Service of that name.
 */
function warnOfEnv(
  schema: z.ZodMiniType,
  env: Readonly<Record<string, string | undefined>>,
  knownEnv: readonly string[],
): string[] {
  const known = [...knownEnv, ...leavesOf(schema).map(({ path }) => envNameOf(path))];
  return Object.keys(env)
    .filter((name) => name.startsWith("EDGE_AGENT_") && !known.includes(name) && !isSensitive(name))
    .flatMap((name) => {
      const near = nearest(name, known);
      return near === undefined ? [] : [`${name} is not used: did you mean ${near}?`];
    });
}
