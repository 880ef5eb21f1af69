/** Base of every error that a caller may want to tell apart: it carries a `kebab-case` code. */
export abstract class AgentError extends Error {
  abstract readonly code: string;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The person who started the agent must change something (config, flag, file): exit code 2, no stack. */
export class UsageError extends AgentError {
  readonly code = "usage";
}

/** Something the agent needs could not be had (port taken, disk gone): exit code 1, no stack. */
export class UnavailableError extends AgentError {
  readonly code = "unavailable";
}

/** The message of anything thrown, with the causes behind it: `a: b: c`. */
export function errorMessage(error: unknown): string {
  const parts: string[] = [];
  let e: unknown = error;
  // A cause may lead back to its error, or go on for ever.
  for (let depth = 0; e !== undefined && e !== null && depth < 5; depth++) {
    const text = withoutTargets(e instanceof Error ? e.message : String(e));
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    e = e instanceof Error ? e.cause : undefined;
  }
  return parts.join(": ") || "unknown error";
}

/**
 * Errors of fetch name the whole URL. One request's path and query, which may hold a token of somebody's
 * dashboard, are nothing for the log, nor for the next client who is told why the link is down.
 */
function withoutTargets(text: string): string {
  return text.replace(/\b(https?:\/\/[^\s\/?#()"]+)[\/?#][^\s()"]*(?=[\s)]|$)/g, (url, server) => {
    return text.startsWith("error sending request") ? server : url.split("?", 1)[0]!;
  });
}
