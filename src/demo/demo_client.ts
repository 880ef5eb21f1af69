import type { Clock } from "../kernel/clock.ts";
import { UnavailableError } from "../kernel/errors.ts";
import { createHttpClient, type HttpClient } from "../platform/net.ts";
import type { KubeObject } from "./fake_resources.ts";
import type { Status } from "./fake_status.ts";
import { formatMs } from "./timeline.ts";

/** How to reach an agent. */
export interface DemoEndpoint {
  url: string;
  /** PEM to trust. */
  caCert: string;
  /** Bearer token of the one identity. */
  token: string;
}

/** A list as far as the demo looks into it. */
export interface KubeList {
  metadata: { resourceVersion: string };
  items: KubeObject[];
}

/** A whole answer. */
export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
  /** From asking to the last byte. */
  tookMs: number;
}

/** A client of the agent with connections of its own, as each program on a node is. */
export class DemoClient implements Disposable {
  readonly userAgent: string;
  readonly #endpoint: DemoEndpoint;
  readonly #clock: Clock;
  readonly #http: HttpClient;
  readonly #limitMs: number;
  readonly #gone = new AbortController();

  constructor(
    endpoint: DemoEndpoint,
    options: { userAgent: string; clock: Clock; limitMs: number },
  ) {
    this.userAgent = options.userAgent;
    this.#endpoint = endpoint;
    this.#clock = options.clock;
    this.#limitMs = options.limitMs;
    this.#http = createHttpClient({ caCerts: [endpoint.caCert], protocol: "h2" });
  }

  /**
   * GETs JSON; any status is an answer.
   * @throws {UnavailableError} when there is none in time.
   */
  async get<T = Status>(path: string): Promise<Answer<T>> {
    const startMs = this.#clock.monotonic();
    const late = new AbortController();
    const cancel = this.#clock.timer(this.#limitMs, () => late.abort());
    try {
      const response = await this.#fetch(path, AbortSignal.any([late.signal, this.#gone.signal]));
      const body = await response.json() as T;
      const { status, headers } = response;
      return { status, headers, body, tookMs: this.#clock.monotonic() - startMs };
    } catch (cause) {
      if (!late.signal.aborted) throw new UnavailableError(`Cannot GET ${path}`, { cause });
      throw new UnavailableError(`GET ${path} had no answer within ${formatMs(this.#limitMs)}`);
    } finally {
      cancel();
    }
  }

  /**
   * GETs something that must be there.
   * @throws {UnavailableError} when there is no answer in time, or another one.
   */
  async read<T>(path: string): Promise<Answer<T>> {
    const answer = await this.get<T>(path);
    if (answer.status === 200) return answer;
    const { message = "" } = answer.body as Status;
    throw new UnavailableError(`GET ${path} was answered ${answer.status} ${message}`.trim());
  }

  /** Opens a stream; only its headers must come in time. `signal` ends it. */
  async open(path: string, signal: AbortSignal): Promise<Response> {
    const late = new AbortController();
    const cancel = this.#clock.timer(this.#limitMs, () => late.abort());
    try {
      return await this.#fetch(path, AbortSignal.any([late.signal, signal, this.#gone.signal]));
    } catch (cause) {
      if (!late.signal.aborted) throw new UnavailableError(`Cannot open ${path}`, { cause });
      throw new UnavailableError(`${path} did not open within ${formatMs(this.#limitMs)}`);
    } finally {
      cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#gone.abort();
    this.#http[Symbol.dispose]();
  }

  #fetch(path: string, signal: AbortSignal): Promise<Response> {
    const { url, token } = this.#endpoint;
    const headers = {
      accept: "application/json",
      authorization: `Bearer ${token}`,
      "user-agent": this.userAgent,
    };
    return this.#http.fetch(url + path, { headers, signal });
  }
}
