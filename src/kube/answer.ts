import { AgentError } from "../kernel/errors.ts";
import { readBody } from "./body.ts";
import type { Encoding } from "./codec/encoding.ts";
import { encodingOf } from "./codec/encodings.ts";

/** A whole answer of an API server. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** Most that is read of an answer that says no. */
const MAX_REFUSAL_BYTES = 256 * 1024;

/** Nobody can switch an agent off with a header. */
const MAX_RETRY_AFTER_MS = 300_000;

/** The API server answered, and the answer is no: 403, 404, 410, 429, … */
export class RefusedError extends AgentError {
  readonly code = "refused";
  readonly answer: Answer;

  constructor(what: string, answer: Answer) {
    super(`Cannot ${what}: the API server answered ${answer.status}`);
    this.answer = answer;
  }

  /** Time the server asks to stay away, ms, at most five minutes; 0 if it does not. */
  get retryAfterMs(): number {
    const seconds = Number(this.answer.headers["retry-after"]) || 0;
    return Math.min(MAX_RETRY_AFTER_MS, Math.max(0, seconds * 1_000));
  }
}

/**
 * The answer, unless it is written in another encoding: a server that can't do what it was asked for should
 * answer 406, and is taken for one that did. A type that the agent does not know is no proof of anything.
 *
 * @throws {RefusedError}
 */
export async function expectEncoding(
  response: Response,
  wanted: Encoding,
  what: string,
): Promise<Response> {
  const got = encodingOf(response.headers.get("content-type"));
  if (got === undefined || got === wanted) return response;
  await response.body?.cancel();
  const refusal: Answer = { status: 406, headers: {}, body: new Uint8Array(0) };
  throw new RefusedError(`${what} as ${wanted.contentType}`, refusal);
}

/** The resourceVersion is too old: relist. */
export class ExpiredError extends AgentError {
  readonly code = "expired";
}

/** Reads an answer to its end. */
export async function toAnswer(
  response: Response,
  signal: AbortSignal,
  maxBytes = MAX_REFUSAL_BYTES,
): Promise<Answer> {
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await readBody(response, signal, maxBytes),
  };
}

/** The answer as a response to a client. */
export function toResponse({ status, headers, body }: Answer): Response {
  const nullBody = status === 204 || status === 304;
  return new Response(nullBody ? null : body as Uint8Array<ArrayBuffer>, { status, headers });
}
