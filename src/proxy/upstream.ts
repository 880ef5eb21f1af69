import { AgentError, errorMessage } from "../kernel/errors.ts";
import { abortable } from "../kube/body.ts";
import { createHttpClient, type HttpClient } from "../platform/net.ts";
import type { Credential } from "./credentials.ts";
import type { Link, ProbeResult } from "./link.ts";

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

/** What a request is for: kinds of traffic that must not hold each other up. */
export type Purpose = "short" | "list" | "watch" | "stream";

/** A request to the cloud. */
export interface UpstreamRequest {
  method: string;
  pathAndQuery: string;
  headers: Headers;
  body?: Uint8Array;
  purpose: Purpose;
  signal: AbortSignal;
}

/** Where the cloud is and how it is trusted. */
export interface UpstreamServer {
  /** `https://host:port`, without a slash at the end. */
  url: string;
  /** PEM; undefined trusts the system's authorities. */
  ca(): Promise<string | undefined>;
}

/** kube-apiserver allows 100 streams per connection, and a queued request then waits for ever. */
const WATCHES_PER_CONNECTION = 80;

/** Messages of rustls when the server is not who it should be. */
const UNTRUSTED = /invalid peer certificate|UnknownIssuer|CertificateUnknown|self[- ]signed/i;
/** Messages of a connection that was never made. */
const NOT_CONNECTED =
  /client error \(Connect\)|error trying to connect|connection refused|dns error/i;

/** Status codes of a middlebox, unless the answer shows that a kube-apiserver gave it. */
const MIDDLEBOX = new Set([502, 503, 504]);

/** One HTTP client and how many of its streams are taken. */
interface Lane {
  client: HttpClient;
  streams: number;
}

/** The connections of one credential, kept apart by what they are used for. */
interface Pool {
  version: number;
  short: Lane;
  list: Lane;
  watches: Lane[];
  streams: Set<Lane>;
}

/** Sends requests to the cloud and tells the link what it sees. */
export class Upstream implements Disposable {
  readonly #server: UpstreamServer;
  readonly #link: Link;
  readonly #pools = new Map<string, Pool>();
  readonly #unsubscribe: () => void;
  #ca: string | undefined;
  #prober: HttpClient | undefined;

  constructor(server: UpstreamServer, link: Link) {
    this.#server = server;
    this.#link = link;
    // Connections of a dead link would be tried first when it is back.
    this.#unsubscribe = link.subscribe(({ state }) => {
      if (state === "down" || state === "rejected") this.#drop();
    });
  }

  /**
   * The cloud's answer, whatever its status.
   *
   * @throws {UnreachableError} when there is none
   */
  async send(credential: Credential, request: UpstreamRequest): Promise<Response> {
    if (!this.#link.isOpen) {
      throw new UnreachableError(`the link is ${this.#link.state.state}`, { sent: false });
    }
    const cut = this.#link.cut;
    const signal = AbortSignal.any([request.signal, cut]);
    const lane = await this.#take(credential, request.purpose);
    const answered = this.#link.expectAnswer();
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      answered();
      this.#release(credential, request.purpose, lane);
    };
    try {
      const response = await abortable(
        lane.client.fetch(this.#server.url + request.pathAndQuery, {
          method: request.method,
          headers: withCredential(request.headers, credential),
          body: request.body as Uint8Array<ArrayBuffer> | undefined,
          signal,
        }),
        signal,
      );
      this.#link.alive();
      if (request.purpose === "watch" || request.purpose === "stream") answered();
      return this.#observed(response, signal, end);
    } catch (error) {
      end();
      if (request.signal.aborted) throw request.signal.reason;
      const message = errorMessage(error);
      this.#link.suspect(message);
      throw new UnreachableError(error, { sent: cut.aborted || !NOT_CONNECTED.test(message) });
    }
  }

  /** The response with every byte of its body counted as a sign of life. */
  #observed(response: Response, signal: AbortSignal, end: () => void): Response {
    const headers = new Headers(response.headers);
    // fetch has decoded the body; both describe what was on the wire.
    headers.delete("content-encoding");
    headers.delete("content-length");
    if (response.body === null) {
      end();
      return new Response(null, { status: response.status, headers });
    }
    const reader = response.body.getReader();
    const link = this.#link;
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
          if (value !== undefined) controller.enqueue(value);
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
    return new Response(body, { status: response.status, headers });
  }

  async #take(credential: Credential, purpose: Purpose): Promise<Lane> {
    const pool = await this.#pool(credential);
    switch (purpose) {
      case "short":
      case "list":
        return pool[purpose];
      case "watch": {
        let lane = pool.watches.find((each) => each.streams < WATCHES_PER_CONNECTION);
        if (lane === undefined) pool.watches.push(lane = this.#connect(credential));
        lane.streams++;
        return lane;
      }
      case "stream": {
        // Three unread bodies block a connection's window: each streamed one has its own.
        const lane = this.#connect(credential);
        pool.streams.add(lane);
        return lane;
      }
      default:
        return purpose satisfies never;
    }
  }

  #release(credential: Credential, purpose: Purpose, lane: Lane): void {
    const pool = this.#pools.get(credential.key);
    if (purpose === "watch") lane.streams--;
    if (purpose === "stream" && pool?.streams.delete(lane)) lane.client[Symbol.dispose]();
  }

  async #pool(credential: Credential): Promise<Pool> {
    this.#ca ??= await this.#server.ca();
    const known = this.#pools.get(credential.key);
    if (known?.version === credential.version) return known;
    if (known !== undefined) this.#close(known);
    const pool: Pool = {
      version: credential.version,
      short: this.#connect(credential),
      list: this.#connect(credential),
      watches: [],
      streams: new Set(),
    };
    this.#pools.set(credential.key, pool);
    return pool;
  }

  #connect({ certificate }: Pick<Credential, "certificate">): Lane {
    const protocol = this.#server.url.startsWith("https:") ? "h2" : "http/1.1";
    const caCerts = this.#ca === undefined ? undefined : [this.#ca];
    return { client: createHttpClient({ caCerts, ...certificate, protocol }), streams: 0 };
  }

  /** Asks `/readyz` on a connection that is kept from probe to probe, and replaced after a failure. */
  async probe(timeoutMs: number, signal: AbortSignal, now: () => number): Promise<ProbeResult> {
    this.#ca ??= await this.#server.ca().catch(() => undefined);
    this.#prober ??= this.#connect({}).client;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const startedAt = now();
    try {
      const response = await abortable(
        this.#prober.fetch(`${this.#server.url}/readyz`, { method: "GET", signal: limit }),
        limit,
      );
      const middlebox = isMiddlebox(response);
      await abortable(response.arrayBuffer(), limit);
      if (middlebox) return { result: "silent", cause: `a middlebox answers ${response.status}` };
      return { result: "answered", roundTripMs: now() - startedAt };
    } catch (error) {
      this.#prober?.[Symbol.dispose]();
      this.#prober = undefined;
      const cause = limit.aborted && !signal.aborted
        ? `no answer to a probe within ${timeoutMs} ms`
        : errorMessage(error);
      return { result: UNTRUSTED.test(cause) ? "rejected" : "silent", cause };
    }
  }

  #drop(): void {
    for (const pool of this.#pools.values()) this.#close(pool);
    this.#pools.clear();
    // A renewed authority is taken up with the next connection.
    this.#ca = undefined;
  }

  #close(pool: Pool): void {
    for (const lane of [pool.short, pool.list, ...pool.watches, ...pool.streams]) {
      lane.client[Symbol.dispose]();
    }
    pool.streams.clear();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#drop();
    this.#prober?.[Symbol.dispose]();
  }
}

function withCredential(headers: Headers, credential: Credential): Headers {
  const all = new Headers(headers);
  all.set("accept-encoding", "gzip");
  if (credential.token !== undefined) all.set("authorization", `Bearer ${credential.token}`);
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
