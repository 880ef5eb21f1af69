import { AgentError, errorMessage } from "../kernel/errors.ts";
import type { Fs } from "../platform/fs.ts";
import { createHttpClient, type HttpClient } from "../platform/net.ts";
import { parseKubeconfig } from "./kubeconfig.ts";
import type { Send } from "./reflector.ts";

/** A request that could not be sent, or not answered. */
export class ApiClientError extends AgentError {
  readonly code = "api-client";
}

interface Session {
  client: HttpClient;
  server: string;
  token: string | undefined;
}

/**
 * A plain client of the API server that a kubeconfig names. The file may come late, and is read again after a
 * request failed or was not authorized.
 */
export class ApiClient implements Disposable {
  readonly #fs: Fs;
  readonly #path: string;
  /** One for all requests, also for those that come while it is opened. */
  #opening: Promise<Session> | undefined;
  #session: Session | undefined;
  /** The one before: an answer of its may still be read. */
  #former: Session | undefined;

  constructor(fs: Fs, path: string) {
    this.#fs = fs;
    this.#path = path;
  }

  /** Sends a GET. @throws {ApiClientError} */
  readonly send: Send = async (pathAndQuery, { accept, signal }) => {
    const session = this.#session ?? await this.#openOnce();
    const { client, server, token } = session;
    const headers = new Headers({ accept, "user-agent": "edge-agent" });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    try {
      const response = await client.fetch(server + pathAndQuery, { headers, signal });
      if (response.status === 401) this.#forget(session);
      return response;
    } catch (error) {
      this.#forget(session);
      throw new ApiClientError(`Cannot reach ${server}: ${errorMessage(error)}`);
    }
  };

  [Symbol.dispose](): void {
    for (const session of [this.#former, this.#session]) session?.client[Symbol.dispose]();
    this.#former = this.#session = undefined;
  }

  #openOnce(): Promise<Session> {
    return this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
  }

  async #open(): Promise<Session> {
    try {
      const config = parseKubeconfig(await this.#fs.readText(this.#path), this.#path, this.#fs);
      const [ca, { certificate, token }] = await Promise.all([config.ca(), config.credential()]);
      const client = createHttpClient({
        ...(ca !== undefined && { caCerts: [ca] }),
        ...certificate,
        protocol: config.server.startsWith("https:") ? "h2" : "http/1.1",
      });
      return this.#session = { client, server: config.server, token };
    } catch (error) {
      throw new ApiClientError(errorMessage(error));
    }
  }

  /** What is still open goes on until a request of the next session fails as well. */
  #forget(session: Session): void {
    // Others that failed with it have said so already.
    if (session !== this.#session) return;
    this.#former?.client[Symbol.dispose]();
    this.#former = this.#session;
    this.#session = undefined;
  }
}
