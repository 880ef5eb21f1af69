import { AgentError, errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import { Connections, type Lease, type Purpose, type UpstreamServer } from "./connections.ts";
import type { Credential } from "./credentials.ts";
import type { Link } from "../link/link.ts";

/** The cloud gave no answer; `sent` tells whether the request may have reached it. */
export class UnreachableError extends AgentError {
  readonly code = "unreachable";
  readonly sent: boolean;
  /** Something in between answered, or the cloud refused the agent's own credential: no matter of the link. */
  readonly answered: boolean;

  constructor(cause: unknown, facts: { sent: boolean; answered?: boolean }) {
    super(`Cannot reach the cloud: ${errorMessage(cause)}`, { cause });
    this.sent = facts.sent;
    this.answered = facts.answered ?? false;
  }
}

/** A request to the cloud. */
export interface UpstreamRequest {
  method: string;
  pathAndQuery: string;
  headers: Headers;
  body?: Uint8Array;
  purpose: Purpose;
  signal: AbortSignal;
}

/** Messages of a connection that was never made. */
const NOT_CONNECTED =
  /client error \(Connect\)|error trying to connect|connection refused|dns error/i;

/** Status codes of a middlebox, unless the answer shows that a kube-apiserver gave it. */
const MIDDLEBOX = new Set([502, 503, 504]);

/** Sends requests to the cloud and tells the link what it sees. */
export class Upstream implements Disposable {
  readonly #server: UpstreamServer;
  readonly #connections: Connections;
  readonly #link: Link;
  readonly #unsubscribe: () => void;

  constructor(server: UpstreamServer, connections: Connections, link: Link) {
    this.#server = server;
    this.#connections = connections;
    this.#link = link;
    // Connections of a dead link would be tried first when it is back.
    this.#unsubscribe = link.subscribe(({ state }) => {
      if (state === "down" || state === "rejected") connections[Symbol.dispose]();
    });
  }

  /**
   * The cloud's answer, whatever its status.
   *
   * @throws {UnreachableError} when there is none
   */
  async send(credential: Credential, request: UpstreamRequest): Promise<Response> {
    const link = this.#link;
    if (!link.isOpen) {
      throw new UnreachableError(`the link is ${link.state.state}`, { sent: false });
    }
    const { cut } = link;
    const signal = AbortSignal.any([request.signal, cut]);
    const lease = await this.#lease(credential, request.purpose);
    const answered = link.expectAnswer();
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      answered();
      lease.release();
    };
    try {
      const response = await abortable(
        lease.client.fetch(this.#server.url + request.pathAndQuery, {
          method: request.method,
          headers: withCredential(request.headers, credential),
          body: request.body as Uint8Array<ArrayBuffer> | undefined,
          signal,
        }),
        signal,
      );
      link.alive();
      // These may rightly be silent for long.
      if (request.purpose === "watch" || request.purpose === "stream") answered();
      return observe(response, link, signal, end);
    } catch (error) {
      end();
      if (request.signal.aborted) throw request.signal.reason;
      const message = errorMessage(error);
      link.suspect(message);
      throw new UnreachableError(error, { sent: cut.aborted || !NOT_CONNECTED.test(message) });
    }
  }

  /** A credential or an authority that can't be used now is no reason to fail: its files may be changing. */
  async #lease(credential: Credential, purpose: Purpose): Promise<Lease> {
    try {
      return await this.#connections.take(credential, purpose);
    } catch (error) {
      throw new UnreachableError(error, { sent: false, answered: true });
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#connections[Symbol.dispose]();
  }
}

/** The response with every byte of its body counted as a sign of life. */
function observe(
  response: Response,
  link: Link,
  signal: AbortSignal,
  end: () => void,
): Response {
  const { status } = response;
  const headers = new Headers(response.headers);
  // fetch has decoded the body; both describe what was on the wire.
  headers.delete("content-encoding");
  headers.delete("content-length");
  if (response.body === null) {
    end();
    return new Response(null, { status, headers });
  }
  const reader = response.body.getReader();
  // With only the reader held, the Response may be collected, and with it the fetch's abort.
  let held: Response | undefined = response;
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  const finish = () => {
    held = undefined;
    signal.removeEventListener("abort", onAbort);
    end();
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        // A cancelled reader yields a clean end: the abort must not look like one.
        signal.throwIfAborted();
        if (done || held === undefined) {
          finish();
          return controller.close();
        }
        link.alive();
        controller.enqueue(value);
      } catch (error) {
        finish();
        if (!signal.aborted) link.suspect(errorMessage(error));
        controller.error(new UnreachableError(error, { sent: true }));
      }
    },
    async cancel(reason) {
      finish();
      await reader.cancel(reason).catch(() => {});
    },
  }, { highWaterMark: 0 });
  return new Response(body, { status, headers });
}

function withCredential(headers: Headers, { token }: Credential): Headers {
  const all = new Headers(headers);
  all.set("accept-encoding", "gzip");
  if (token !== undefined) all.set("authorization", `Bearer ${token}`);
  return all;
}

/**
 * Whether an answer comes from something between the agent and the kube-apiserver: the latter marks
 * every answer with `Audit-Id`, and says no with a `Status`.
 */
export function isMiddlebox(response: Response): boolean {
  return MIDDLEBOX.has(response.status) && !response.headers.has("audit-id") &&
    !(response.headers.get("content-type") ?? "").startsWith("application/json");
}
