/**
 * HTTP to the cloud as its administrator.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import type { CertFiles } from "./certs.ts";

/** A connection pool that trusts the cluster's authority and shows the administrator's certificate. */
export class CloudClient implements Disposable {
  readonly #http: Deno.HttpClient;
  readonly #abort = new AbortController();

  private constructor(http: Deno.HttpClient) {
    this.#http = http;
  }

  /** Reads the files and opens the pool. */
  static async open(caFile: string, user: CertFiles): Promise<CloudClient> {
    const [ca, cert, key] = await Promise.all(
      [caFile, user.cert, user.key].map((file) => readFile(file, "utf8")),
    );
    return new CloudClient(Deno.createHttpClient({ caCerts: [ca!], cert: cert!, key: key! }));
  }

  /** `fetch` with this pool; requests still open at the disposal are aborted. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const signals = [this.#abort.signal, ...(init.signal ? [init.signal] : [])];
    // A constant, as the DOM's RequestInit, which is the one in force, knows no client.
    const extended = { ...init, client: this.#http, signal: AbortSignal.any(signals) };
    return await fetch(url, extended);
  }

  /** Whether the URL answers with success. */
  async isOk(url: string, signal: AbortSignal): Promise<boolean> {
    const response = await this.fetch(url, { signal });
    await response.body?.cancel();
    return response.ok;
  }

  [Symbol.dispose](): void {
    // Closing the pool alone would leave its busy connections open.
    this.#abort.abort();
    this.#http.close();
  }
}
